//! The log as others see it: a real store with leaves of two years, served over real HTTPS, and witnesses over HTTP.

mod cosigning;
mod https;
mod log;
mod rotation;
mod web;
