//! Puts the rooms together and takes them down again.
