//! The laws of the algebra: every set over five numbers, then random larger ones against a plain set of numbers.

mod exhaustive;
mod mariadb;
mod model;
mod size;
mod texts;
