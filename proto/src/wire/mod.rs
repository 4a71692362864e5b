//! What travels between portals and nodes.
