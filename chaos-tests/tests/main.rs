//! Tests of the whole: the rules of the house, and later real processes under faults.

mod tidy;
