//! What differs between operating systems, with one name for each thing.

cfg_if::cfg_if! {
    if #[cfg(unix)] {
        mod unix;
        pub(crate) use unix::*;
    } else {
        mod other;
        pub(crate) use other::*;
    }
}
