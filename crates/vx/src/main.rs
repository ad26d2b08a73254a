//! The `vx` command line.

fn main() {}
