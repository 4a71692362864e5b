//! A synthetic population: invented people with the shape of the real one.
