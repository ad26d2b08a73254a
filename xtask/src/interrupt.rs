//! Ctrl-C: the program in the foreground receives it too and ends; the task then sees a failure and cleans up.
//!
//! With the default action a task would end at once and leave its services and temporary directories behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result, bail};
use signal_hook::consts::{SIGINT, SIGTERM};

static FLAG: std::sync::OnceLock<Arc<AtomicBool>> = std::sync::OnceLock::new();

/// From now on an interrupt is only remembered.
pub(crate) fn install() -> Result<()> {
    let flag = FLAG.get_or_init(Arc::default);
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(flag)).context("cannot handle interrupts")?;
    }
    Ok(())
}

/// Fails if the task was interrupted.
pub(crate) fn check() -> Result<()> {
    if FLAG.get().is_some_and(|flag| flag.load(Ordering::Relaxed)) {
        bail!("interrupted");
    }
    Ok(())
}
