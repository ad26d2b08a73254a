//! Paths of `/proc`, `/dev` and `/sys`: where their links lead, and which of them count.

use camino::{Utf8Path, Utf8PathBuf};
use rustix::process::Pid;
use vx_path::Magic;

/// What is read there and decides nothing that is built: the release of the kernel, randomness, terminals and sinks, the memory layout of the
/// process itself, and how many processors and how much memory there are, by which programs choose how many threads
/// they start and how much they cache. The documentation lists these as not known.
///
/// A `*` stands for one component.
const HARMLESS: &[&str] = &[
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
    "/dev/tty",
    "/dev/ptmx",
    "/dev/pts/*",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/loadavg",
    "/proc/uptime",
    "/proc/vmstat",
    "/proc/version",
    "/proc/sys/kernel/osrelease",
    "/proc/sys/kernel/ostype",
    "/proc/filesystems",
    "/proc/mounts",
    "/proc/sys/vm/overcommit_memory",
    "/proc/sys/vm/max_map_count",
    "/proc/sys/kernel/random/uuid",
    "/proc/sys/kernel/random/boot_id",
    "/proc/sys/kernel/cap_last_cap",
    "/proc/sys/kernel/ngroups_max",
    "/proc/sys/kernel/pid_max",
    "/proc/sys/fs/pipe-max-size",
    "/proc/*/maps",
    "/proc/*/smaps",
    "/proc/*/auxv",
    "/proc/*/cgroup",
    "/proc/*/mountinfo",
    "/proc/*/mounts",
    "/proc/*/stat",
    "/proc/*/statm",
    "/proc/*/status",
    "/proc/*/limits",
    "/proc/*/comm",
    "/proc/*/oom_score_adj",
    "/proc/*/coredump_filter",
    "/proc/*/fd",
    "/proc/*/fdinfo",
    "/proc/*/fdinfo/*",
    "/proc/*/task",
    "/proc/*/task/*/comm",
    "/proc/*/task/*/stat",
    "/proc/*/task/*/status",
    "/proc/*/attr/current",
    "/proc/*/attr/exec",
    "/sys/kernel/mm/transparent_hugepage/enabled",
    "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size",
    "/sys/devices/system/cpu",
    "/sys/devices/system/cpu/online",
    "/sys/devices/system/cpu/possible",
    "/sys/devices/system/cpu/present",
    "/sys/devices/system/node",
    "/sys/devices/system/node/online",
    "/sys/fs/cgroup/**",
    "/sys/fs/selinux/**",
];

/// Whether what `path`, a special one, says decides nothing that is built.
pub(super) fn is_harmless(path: &Utf8Path) -> bool {
    HARMLESS.iter().any(|pattern| {
        if let Some(directory) = pattern.strip_suffix("/**") {
            return path.starts_with(directory);
        }
        let mut components = path.as_str().split('/');
        let matches = pattern
            .split('/')
            .all(|wanted| components.next().is_some_and(|found| wanted == "*" || wanted == found));
        matches && components.next().is_none()
    })
}

/// A name for `path`, in which the directory of a process is that of whoever reads it.
pub(super) fn without_process(path: &Utf8Path) -> Utf8PathBuf {
    let process = process_of(path).map(|number| Utf8PathBuf::from(format!("/proc/{number}")));
    let below = process.and_then(|process| path.strip_prefix(process).ok());
    below.map_or_else(|| path.to_owned(), |below| Utf8Path::new("/proc/self").join(below))
}

/// The number of the process that `path` tells about.
pub(super) fn process_of(path: &Utf8Path) -> Option<&str> {
    let number = path.as_str().strip_prefix("/proc/")?.split('/').next()?;
    is_number(number).then_some(number)
}

/// Where a link of `/proc` leads for the process or thread `pid`: its text is that of whoever reads it, or none at all.
pub(super) fn magic(pid: Pid, path: &Utf8Path) -> Magic {
    let Some(rest) = path.as_str().strip_prefix("/proc/") else {
        return Magic::No;
    };
    let components: Vec<&str> = rest.split('/').collect();
    let of_process = match components.as_slice() {
        ["self" | "thread-self"] => return Magic::To(format!("/proc/{}", own_number(pid)).into()),
        [process, rest @ ..] if is_number(process) => rest,
        _ => return Magic::No,
    };
    let of_thread = match of_process {
        ["task", thread, rest @ ..] if is_number(thread) => rest,
        rest => rest,
    };
    match of_thread {
        ["cwd" | "root" | "exe"] | ["fd" | "map_files", _] => named_by(&seen_by(pid, path)),
        _ => Magic::No,
    }
}

/// The number by which a process knows itself: another than here if it is in a process namespace of its own.
fn own_number(pid: Pid) -> String {
    let own = pid.as_raw_nonzero().to_string();
    let status = std::fs::read_to_string(format!("/proc/{own}/status")).unwrap_or_default();
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    let innermost = numbers.and_then(|numbers| numbers.split_whitespace().next_back());
    innermost.map_or(own, str::to_owned)
}

/// A path of `/proc` in the `/proc` that the process `pid` sees.
fn seen_by(pid: Pid, path: &Utf8Path) -> Utf8PathBuf {
    format!("/proc/{}/root{path}", pid.as_raw_nonzero()).into()
}

/// What a link says that names an open file or directory.
fn named_by(link: &Utf8Path) -> Magic {
    let Ok(target) = std::fs::read_link(link) else {
        return Magic::No;
    };
    match Utf8PathBuf::from_path_buf(target) {
        Ok(target) if target.is_absolute() && !target.as_str().ends_with(" (deleted)") => Magic::To(target),
        _ => Magic::Nowhere,
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_decides_nothing_is_listed() {
        for path in [
            "/dev/null",
            "/proc/17/maps",
            "/proc/cpuinfo",
            "/sys/fs/cgroup/a/cpu.max",
        ] {
            assert!(is_harmless(path.into()), "{path}");
        }
        for path in [
            "/proc/17/environ",
            "/proc/modules",
            "/proc/17/maps/x",
            "/proc/17/cmdline",
            "/dev/sda",
        ] {
            assert!(!is_harmless(path.into()), "{path}");
        }
    }

    #[test]
    fn links_of_a_process_lead_to_what_it_has_open() {
        let own = rustix::process::getpid();
        let here = Utf8PathBuf::from_path_buf(std::env::current_dir().unwrap()).unwrap();
        let directory = format!("/proc/{}", own.as_raw_nonzero());
        assert_eq!(magic(own, "/proc/self".into()), Magic::To(directory.clone().into()));
        assert_eq!(magic(own, format!("{directory}/cwd").as_str().into()), Magic::To(here));
        assert_eq!(
            magic(own, format!("{directory}/root").as_str().into()),
            Magic::To("/".into())
        );
        assert_eq!(magic(own, format!("{directory}/status").as_str().into()), Magic::No);
        let (pipe, _other) = std::io::pipe().unwrap();
        let pipe = format!("{directory}/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&pipe));
        assert_eq!(magic(own, pipe.as_str().into()), Magic::Nowhere);
    }
}
