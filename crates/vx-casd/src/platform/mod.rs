//! What differs between operating systems, under common names.

cfg_if::cfg_if! {
    if #[cfg(unix)] {
        mod unix;
        pub(crate) use unix::*;
    } else {
        mod other;
        pub(crate) use other::*;
    }
}
