//! The pipe by which casd and execd notice that the daemon is gone: their standard input reads its end.

use std::io;
use std::thread;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// How long a service may take to shut down once its daemon is gone.
const GRACE: Duration = Duration::from_millis(1000);

/// Cancels `shutdown` when standard input ends, and aborts the process if it does not end in time.
///
/// A thread and not a task, so that a hanging runtime cannot keep the process alive.
pub(crate) fn lifeline(shutdown: CancellationToken) {
    thread::spawn(move || {
        wait_for_end(&mut io::stdin().lock());
        tracing::info!("the daemon is gone or asks to end");
        shutdown.cancel();
        thread::sleep(GRACE);
        tracing::error!("this service did not end in time");
        std::process::exit(1);
    });
}

fn wait_for_end(input: &mut impl io::Read) {
    let mut byte = [0];
    loop {
        match input.read(&mut byte) {
            Ok(0) => return,
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return,
            Ok(_) | Err(_) => {}
        }
    }
}
