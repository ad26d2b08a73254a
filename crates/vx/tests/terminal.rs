//! What vx shows on a terminal, where lines can be drawn over: Cargo's bar.

mod harness;

use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;

use harness::{TestEnv, Vx};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// Runs vx with standard error on a terminal of 80 columns and gives what appeared there.
fn on_a_terminal(vx: Vx) -> String {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&terminal).expect("a terminal of ours");
    unlockpt(&terminal).expect("an open terminal");
    let name = ptsname(&terminal, Vec::new()).expect("a terminal with a name");
    let inner: OwnedFd = File::options()
        .read(true)
        .write(true)
        .open(name.to_str().expect("UTF-8"))
        .expect("its inner end")
        .into();
    let size = Winsize {
        ws_row: 24,
        ws_col: 80,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&inner, size).expect("a size");

    let mut command = vx.env("TERM", "xterm-256color").into_command();
    let mut running = command.stderr(inner).spawn().expect("vx can be run");
    // The last inner end but those of vx: reading fails once vx has ended.
    drop(command);
    let mut shown = Vec::new();
    let _ = File::from(terminal).read_to_end(&mut shown);
    assert!(running.wait().expect("vx ends").success());
    String::from_utf8(shown).expect("UTF-8")
}

#[test]
fn a_bar_is_drawn_while_something_runs_and_is_gone_at_the_end() {
    let env = TestEnv::with_fixture("multi_crate");
    let shown = on_a_terminal(env.vx(["build"]));
    assert!(shown.contains("Building"), "{shown:?}");
    assert!(shown.contains("/5: "), "{shown:?}");
    assert!(
        shown.contains("\u{1b}[1m\u{1b}[92m   Compiling\u{1b}[0m greet v0.1.0"),
        "{shown:?}"
    );
    let last = shown
        .split(['\r', '\n'])
        .rfind(|line| !line.is_empty())
        .unwrap_or_default();
    assert!(
        last.contains("Finished") && last.ends_with("(5 ran, 0 cached, 0 fresh)"),
        "{shown:?}"
    );
}

#[test]
fn no_bar_is_drawn_when_nothing_runs_or_nothing_is_to_be_said() {
    let env = TestEnv::with_fixture("multi_crate");
    assert_eq!(on_a_terminal(env.vx(["build", "--quiet"])), "");
    assert!(!on_a_terminal(env.vx(["build"])).contains("Building"));
}
