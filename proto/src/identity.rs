//! Who a certificate speaks for: the URI SAN of every certificate of a cluster.
