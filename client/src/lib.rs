//! Client of Xác Minh: the library behind the command line `xacminh`.

pub mod cert;
pub mod population;
