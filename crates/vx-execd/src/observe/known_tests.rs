//! Programs with the library that knows what is recorded: they find what they would find without it, and what they use
//! is observed as without it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;

use vx_proto::{AccessKind, Observation};

use crate::process::tests::{Done, Shell, run};

/// Asks libc about each of its arguments, in the way that each function has, and prints all answers.
const ASKS: &str = r#"
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *error(long answer) { return answer < 0 ? strerror(errno) : "-"; }

static void opened(const char *how, int file) {
    char text[16] = "";
    printf(" %s %s", how, error(file));
    if (file >= 0) {
        printf(" %zd %s", read(file, text, 15), text);
        close(file);
    }
}

static void asked(const char *how, int answer, struct stat *found) {
    printf(" %s %s", how, error(answer));
    if (answer == 0) printf(" %o %ld", found->st_mode, (long)found->st_size * S_ISREG(found->st_mode));
}

int main(int count, char **paths) {
    for (int i = 1; i < count; i++) {
        const char *path = paths[i];
        struct stat found;
        struct statx more;
        char text[PATH_MAX + 1];
        int here = open(".", O_RDONLY | O_DIRECTORY);
        printf("%s:", path);
        opened("open", open(path, O_RDONLY));
        opened("openat", openat(here, path, O_RDONLY | O_CLOEXEC));
        opened("nofollow", open(path, O_RDONLY | O_NOFOLLOW));
        opened("directory", open(path, O_RDONLY | O_DIRECTORY));
        opened("path", open(path, O_PATH));
        opened("write", open(path, O_WRONLY | O_APPEND));
        opened("new", open(path, O_RDWR | O_CREAT | O_EXCL, 0600));
        asked("stat", stat(path, &found), &found);
        asked("lstat", lstat(path, &found), &found);
        asked("fstatat", fstatat(here, path, &found, 0), &found);
        asked("fstatat", fstatat(AT_FDCWD, path, &found, AT_SYMLINK_NOFOLLOW), &found);
        int answer = statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_MODE, &more);
        printf(" statx %s %o", error(answer), answer == 0 ? more.stx_mode : 0);
        for (int mode = 0; mode < 8; mode++) printf(" %d", access(path, mode));
        printf(" %s", error(faccessat(AT_FDCWD, path, X_OK, AT_EACCESS)));
        ssize_t length = readlink(path, text, PATH_MAX);
        printf(" readlink %s %.*s", error(length), length < 0 ? 0 : (int)length, text);
        char *real = realpath(path, NULL);
        printf(" realpath %s", real ? real : error(-1));
        free(real);
        real = realpath(path, text);
        printf(" %s\n", real == text ? text : error(-1));
        close(here);
    }
    return 0;
}
"#;

/// Below the working directory of a [`Shell`]: files, directories and links of every kind, its own and others'.
fn shell() -> Shell {
    let shell = Shell::new();
    let dir = shell.dir.path();
    for below in ["own", "other"] {
        fs::create_dir_all(dir.join(below).join("dir/deep")).unwrap();
        fs::write(dir.join(below).join("dir/file"), below).unwrap();
        symlink("dir", dir.join(below).join("link")).unwrap();
        symlink("link/file", dir.join(below).join("chain")).unwrap();
        symlink("absent", dir.join(below).join("dangling")).unwrap();
        symlink("loop", dir.join(below).join("loop")).unwrap();
    }
    symlink("../other", dir.join("own/out")).unwrap();
    shell
}

fn paths() -> Vec<String> {
    let below = [
        "",
        "/",
        "/.",
        "/dir",
        "/dir/",
        "/dir/file",
        "/dir/file/",
        "/dir/file/x",
        "/dir//file",
        "/dir/./file",
        "/dir/../dir/file",
        "/dir/deep/../file",
        "/link",
        "/link/",
        "/link/file",
        "/link/..",
        "/chain",
        "/dangling",
        "/loop",
        "/loop/x",
        "/absent",
        "/absent/x",
        "/out/dir/file",
        "/../other/dir/file",
    ];
    let mut paths: Vec<String> = Vec::new();
    for directory in ["own", "other", "$PWD/own", "$PWD/other"] {
        paths.extend(below.iter().map(|path| format!("{directory}{path}")));
    }
    paths.extend(
        [
            "/",
            "//",
            "/usr/include/stdio.h",
            "/usr/bin/sh",
            "/bin/sh",
            "/etc/passwd",
            "/dev/null",
        ]
        .map(str::to_owned),
    );
    paths.extend(
        [
            ".",
            "..",
            "''",
            "/proc/self/cwd/other/dir/file",
            "/tmp",
            "/absent",
            "$PWD",
        ]
        .map(str::to_owned),
    );
    paths
}

/// What was used below the directory of `shell` and elsewhere, and how.
fn accesses(shell: &Shell, done: Done) -> BTreeSet<(String, AccessKind, Option<String>)> {
    let Observation::Complete(accesses) = done.ended.observation else {
        panic!("{:?}", done.ended.observation);
    };
    let dir = shell.dir.path();
    let without_name = |path: String| path.replacen(dir.as_str(), "DIR", 1);
    accesses
        .into_iter()
        .map(|access| {
            (
                without_name(access.path),
                access.kind,
                access.climbed_from.map(without_name),
            )
        })
        .collect()
}

#[tokio::test]
async fn programs_find_the_same_with_what_is_known() {
    let script = |shell: &Shell| {
        let program = shell.dir.compile(ASKS, &[]).unwrap();
        // The second time, most is known.
        let ask = format!("{program} {}", paths().join(" "));
        format!(
            "{ask}; {ask}; cd other && {program} dir/file ../own/dir/file absent; cat /proc/self/maps | grep -c preload.so >&2"
        )
    };
    let (plain, knowing) = (shell(), shell());
    let plain_done = plain.run(&script(&plain)).await;
    let knowing_done = run(knowing.knowing(&script(&knowing))).await;
    let without_name = |done: &Done, shell: &Shell| done.stdout.replace(shell.dir.path().as_str(), "DIR");
    let expected = without_name(&plain_done, &plain);
    assert!(expected.lines().count() > 2 * paths().len(), "{}", plain_done.stderr);
    for (found, expected) in without_name(&knowing_done, &knowing).lines().zip(expected.lines()) {
        assert_eq!(found, expected);
    }
    assert_eq!(plain_done.stderr.trim(), "0");
    assert_ne!(knowing_done.stderr.trim(), "0", "the library was not loaded");
}

#[tokio::test]
async fn what_programs_use_is_observed_with_what_is_known() {
    let script = |shell: &Shell| {
        let program = shell.dir.compile(ASKS, &[]).unwrap();
        let ask = format!("{program} {} > /dev/null", paths().join(" "));
        format!("{ask}; {ask}; cat other/dir/file other/dir/file; cd other; ls; ls absent; {program} dir/file")
    };
    let (plain, knowing) = (shell(), shell());
    let mut launch = plain.knowing(&script(&plain));
    launch.known = None;
    let expected = accesses(&plain, run(launch).await);
    let found = accesses(&knowing, run(knowing.knowing(&script(&knowing))).await);
    assert!(expected.len() > 50);
    assert_eq!(found.difference(&expected).collect::<Vec<_>>(), Vec::<&_>::new());
    assert_eq!(expected.difference(&found).collect::<Vec<_>>(), Vec::<&_>::new());
}

/// Whether `script` is observed to use `name`.
async fn uses(shell: &Shell, script: &str, name: &str) -> bool {
    let done = run(shell.knowing(script)).await;
    assert_eq!(done.ended.exit_code, Some(0), "{}", done.stderr);
    let path = format!("DIR/{name}");
    accesses(shell, done).iter().any(|(used, ..)| *used == path)
}

#[tokio::test]
async fn a_link_that_is_pointed_elsewhere_leads_to_what_is_used() {
    let shell = shell();
    fs::create_dir_all(shell.dir.path().join("second")).unwrap();
    shell.dir.write("second/file", "second");
    let read = "cat own/to/file; cat own/to/file; realpath own/to/file; test -e own/to/file";
    let script = format!("ln -s ../other/dir own/to; {read}; ln -sfn ../second own/to; {read}");
    assert!(uses(&shell, &script, "second/file").await);
}

#[tokio::test]
async fn what_a_process_changes_outside_is_not_known_any_more() {
    let mut shell = shell();
    let dir = shell.dir.path();
    fs::create_dir_all(dir.join("package/dir")).unwrap();
    fs::create_dir_all(dir.join("second")).unwrap();
    shell.dir.write("package/dir/file", "first");
    shell.dir.write("second/file", "second");
    shell.containment.writable = vec![dir.join("package").into_string()];
    let read = "cat package/dir/file; cat package/dir/file; realpath package/dir/file";
    let script = format!("{read}; mv package/dir/file own; rmdir package/dir; ln -s ../second package/dir; {read}");
    assert!(uses(&shell, &script, "second/file").await);
}
