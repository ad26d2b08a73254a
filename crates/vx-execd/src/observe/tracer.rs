//! The loop that runs a traced tree, records what it does, and kills what is left when its main process has ended.

use std::collections::HashSet;
use std::io::{self, Read as _};
use std::net::Ipv6Addr;
use std::time::Instant;

use camino::{Utf8Path, Utf8PathBuf};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, wait};
use vx_path::{LastLink, Resolved};
use vx_proto::Observation;

use super::affinity::CpuAffinity;
use super::log::{AccessLog, Reach, Scope};
use super::place::{Place, place};
use super::ptrace::{self, EVENT_EXEC, EVENT_SECCOMP, EVENT_STOP, Syscall};
use super::syscalls::{ARCH, Call, FOREIGN_FROM, LookFlags, OpenFlags, PathArg, lookup};
use super::view::View;

/// The longest path that the kernel accepts, including its null byte.
const PATH_MAX: usize = 4096;
/// The smallest page: memory ends at a multiple of it.
const PAGE: u64 = 4096;

/// Traces one process tree. Must be used on the thread that started the tree's main process.
#[derive(Debug)]
pub(crate) struct Tracer {
    main: Pid,
    /// Processes and threads that are alive.
    tracees: HashSet<Pid>,
    log: AccessLog,
    affinity: Option<CpuAffinity>,
    trace: Ended,
}

/// The result once the tree is gone.
#[derive(Debug)]
pub(crate) struct Trace {
    /// How the main process ended.
    pub(crate) status: Option<WaitStatus>,
    /// When.
    pub(crate) main_ended: Instant,
    /// How many processes and threads outlived it and were killed.
    pub(crate) leftovers: usize,
    /// All that ever belonged to the tree; some may remain as zombies.
    pub(crate) seen: HashSet<Pid>,
    /// What was seen.
    pub(crate) observation: Observation,
    /// What it tried to reach.
    pub(crate) reach: Reach,
}

#[derive(Debug, Default)]
struct Ended {
    main: Option<(WaitStatus, Instant)>,
    leftovers: usize,
    seen: HashSet<Pid>,
}

impl Tracer {
    /// Begins to trace a process that waits at its gate.
    pub(crate) fn seize(main: Pid, scope: Scope) -> io::Result<Self> {
        if ARCH.is_none() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        ptrace::seize(main)?;
        Ok(Self {
            main,
            tracees: HashSet::from([main]),
            log: AccessLog::new(scope),
            affinity: CpuAffinity::new(),
            trace: Ended::default(),
        })
    }

    /// Runs the tree until none of it is left. Calls `on_exec` when the main process executes its program; its result
    /// is a reason why nothing can be observed.
    pub(crate) fn run(mut self, on_exec: impl FnOnce() -> Option<String>) -> Trace {
        let mut on_exec = Some(on_exec);
        // Every thread of the process has tracees of its own and must not see those of others.
        let options = WaitOptions::from_bits_retain((libc::__WALL | libc::__WNOTHREAD).cast_unsigned());
        loop {
            match wait(options) {
                Ok(Some((pid, status))) if status.stopped() => self.stopped(pid, status, &mut on_exec),
                Ok(Some((pid, status))) => self.ended(pid, status),
                Ok(None) | Err(Errno::INTR) => {}
                Err(_no_child_is_left) => break,
            }
        }
        let (status, main_ended) = self.trace.main.unzip();
        Trace {
            status,
            main_ended: main_ended.unwrap_or_else(Instant::now),
            leftovers: self.trace.leftovers,
            seen: self.trace.seen,
            reach: self.log.reach(),
            observation: self.log.finish(),
        }
    }

    fn ended(&mut self, pid: Pid, status: WaitStatus) {
        self.tracees.remove(&pid);
        if let Some(affinity) = &mut self.affinity {
            affinity.forget(pid);
        }
        if pid != self.main {
            return;
        }
        self.trace.main = Some((status, Instant::now()));
        self.trace.leftovers = self.tracees.len();
        for pid in &self.tracees {
            // Not reaped yet, so the number is still its own.
            let _ = kill_process(*pid, Signal::KILL);
        }
    }

    fn stopped(&mut self, pid: Pid, status: WaitStatus, on_exec: &mut Option<impl FnOnce() -> Option<String>>) {
        self.trace.seen.insert(pid);
        if self.tracees.insert(pid) && self.trace.main.is_some() {
            self.trace.leftovers += 1;
            let _ = kill_process(pid, Signal::KILL);
        }
        let signal = status.stopping_signal().unwrap_or(0);
        let resumed = match status.as_raw() >> 16 {
            // A signal on its way, to be delivered.
            0 => ptrace::resume(pid, signal),
            EVENT_STOP if stops_group(signal) => ptrace::stay_stopped(pid),
            EVENT_SECCOMP => {
                if let Some(affinity) = &mut self.affinity {
                    affinity.stopped(pid);
                }
                self.observe_call(pid);
                ptrace::resume(pid, 0)
            }
            EVENT_EXEC => {
                if pid == self.main
                    && let Some(refusal) = on_exec.take().and_then(|on_exec| on_exec())
                {
                    self.log.set_incomplete(refusal);
                }
                self.observe_image(pid);
                self.release(pid);
                ptrace::resume(pid, 0)
            }
            // A new process or thread, or one that begins to be traced.
            _ => {
                self.release(pid);
                ptrace::resume(pid, 0)
            }
        };
        if let Err(error) = resumed
            && error.raw_os_error() != Some(libc::ESRCH)
        {
            // It would stand still for ever.
            tracing::warn!(%error, %pid, "cannot resume a traced process; it is killed");
            self.log.set_incomplete(format!("the tracer failed: {error}"));
            let _ = kill_process(pid, Signal::KILL);
        }
    }

    fn release(&mut self, pid: Pid) {
        if let Some(affinity) = &mut self.affinity {
            affinity.release(pid);
        }
    }

    /// Records the files that the kernel itself opened to execute a program: targets of symbolic links, the interpreter
    /// of a script, the dynamic linker.
    fn observe_image(&mut self, pid: Pid) {
        match std::fs::read_link(format!("/proc/{pid}/exe")).map(Utf8PathBuf::from_path_buf) {
            Ok(Ok(program)) => {
                let program = self.log.view().real(&program).into_owned();
                self.log.execute(&program);
            }
            Ok(Err(program)) => self.log.set_incomplete(not_utf8(&program.to_string_lossy())),
            // Killed just now.
            Err(_) => {}
        }
        let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
        let files = maps.lines().filter_map(|line| Some(&line[line.find('/')?..]));
        for file in files.filter(|file| !file.starts_with("/memfd:") && !file.ends_with(" (deleted)")) {
            let path = self.log.view().real(file.into()).into_owned();
            self.log.read(&Resolved {
                path,
                ..Resolved::default()
            });
        }
    }

    fn observe_call(&mut self, pid: Pid) {
        let call = match ptrace::syscall(pid) {
            Ok(call) => call,
            // Killed just now.
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => return,
            Err(error) => {
                return self
                    .log
                    .set_incomplete(format!("the kernel did not report a system call: {error}"));
            }
        };
        if Some(call.arch) != ARCH || call.number >= u64::from(FOREIGN_FROM) {
            return self.log.set_incomplete("a process of another instruction set ran");
        }
        let Some(meaning) = lookup(call.number) else { return };
        if let Err(reason) = self.note_call(&Caller { pid, call }, meaning) {
            self.log.set_incomplete(reason);
        }
    }

    /// Records what a call does; an error is a reason why the observation is incomplete.
    fn note_call(&mut self, caller: &Caller, meaning: Call) -> Result<(), String> {
        match meaning {
            Call::Open(path, flags) => {
                let flags = caller.open_flags(flags)?;
                let is_new = flags & libc::O_CREAT != 0 && flags & libc::O_EXCL != 0;
                let last = at_link(is_new || flags & libc::O_NOFOLLOW != 0);
                self.with(caller, path, last, |log, place| log.open(place, flags))
            }
            Call::Look(path, flags) => {
                let last = at_link(match flags {
                    LookFlags::Arg(arg) => caller.has_flag(arg, libc::AT_SYMLINK_NOFOLLOW),
                    LookFlags::AtLink => true,
                    LookFlags::BehindLink => false,
                });
                self.with(caller, path, last, AccessLog::look)
            }
            Call::ReadLink(path) => self.with(caller, path, LastLink::Keep, AccessLog::pass),
            Call::Enter(path) => self.with(caller, path, LastLink::Follow, AccessLog::pass),
            Call::List(arg) => {
                let descriptor = caller.call.arguments[arg] as i32;
                if let Some(directory) = caller.link(&format!("fd/{descriptor}"))?
                    && directory.is_absolute()
                {
                    self.log.list(&directory);
                }
                Ok(())
            }
            Call::Execute(path) => {
                let Some(place) = self.place(caller.path(self.log.view(), path, LastLink::Follow)?) else {
                    return Ok(());
                };
                self.log.read(&place);
                self.note_interpreters(caller, place)
            }
            Call::Make(path) => self.with(caller, path, LastLink::Keep, AccessLog::make),
            Call::Remove(path) => self.with(caller, path, LastLink::Keep, AccessLog::change),
            Call::Overwrite(path) => self.with(caller, path, LastLink::Follow, AccessLog::change),
            Call::Link(from, to, flags) => {
                let follows = flags.is_some_and(|arg| caller.has_flag(arg, libc::AT_SYMLINK_FOLLOW));
                // What has no name yet is linked by its descriptor.
                self.with(caller, from, at_link(!follows), AccessLog::read)?;
                self.with(caller, to, LastLink::Keep, AccessLog::make)
            }
            Call::Rename(from, to, flags) => {
                let exchanges = flags.is_some_and(|arg| caller.has_flag(arg, libc::RENAME_EXCHANGE.cast_signed()));
                if exchanges {
                    return Err("a process exchanged two files".to_owned());
                }
                let from = self.place(caller.path(self.log.view(), from, LastLink::Keep)?);
                let to = self.place(caller.path(self.log.view(), to, LastLink::Keep)?);
                if let (Some(from), Some(to)) = (from, to) {
                    self.log.rename(&from, &to);
                }
                Ok(())
            }
            Call::Connect(address) => self.note_connection(caller, address),
            Call::AskProcessors(arg) => {
                // In a process namespace, threads have other numbers than here: then it may be any.
                match caller.call.arguments[arg] {
                    0 => self.release(caller.pid),
                    _ => self.tracees.clone().into_iter().for_each(|thread| self.release(thread)),
                }
                Ok(())
            }
            Call::ChooseProcessors => {
                if let Some(affinity) = self.affinity.take() {
                    affinity.end();
                }
                Ok(())
            }
            Call::Escape(how) => Err(format!("a process {how}")),
        }
    }

    fn note_connection(&mut self, caller: &Caller, address: usize) -> Result<(), String> {
        let address = caller.call.arguments[address];
        let mut bytes = [0; size_of::<libc::sockaddr_un>()];
        let length = match address {
            0 => 0,
            // If the read fails, so does the call.
            _ => ptrace::read_memory(caller.pid, address, &mut bytes).unwrap_or(0),
        };
        let Some((family, name)) = bytes[..length].split_first_chunk() else {
            return Ok(());
        };
        match i32::from(u16::from_ne_bytes(*family)) {
            libc::AF_UNIX => {
                let text = name.split(|byte| *byte == 0).next().unwrap_or_default();
                let text = std::str::from_utf8(text).map_err(|_| not_utf8(&String::from_utf8_lossy(text)))?;
                // Names of sockets without a file begin with a null byte.
                let path = Some(text).filter(|text| !text.is_empty());
                let place = path.map(|path| caller.place(self.log.view(), None, path.into(), LastLink::Follow));
                let path = place
                    .transpose()?
                    .and_then(|place| self.place(place))
                    .map(|place| place.path);
                self.log.connect_to_socket(path.as_deref());
            }
            libc::AF_UNSPEC | libc::AF_NETLINK => {}
            family => {
                self.log.connect_to_network();
                if is_this_machine(family, name) {
                    self.log.connect_to_socket(None);
                }
            }
        }
        Ok(())
    }

    fn with(
        &mut self,
        caller: &Caller,
        path: PathArg,
        last: LastLink,
        note: impl FnOnce(&mut AccessLog, &Resolved),
    ) -> Result<(), String> {
        let place = caller.path(self.log.view(), path, last)?;
        if let Some(place) = self.place(place) {
            note(&mut self.log, &place);
        }
        Ok(())
    }

    /// What a place is outside of the caller's view; `None` if there is nothing more to record.
    fn place(&mut self, place: Place) -> Option<Resolved> {
        match place {
            Place::At(place) => return Some(place),
            Place::Nowhere => {}
            Place::Search(path) => self.log.search(path),
            Place::Left => self.log.leave_view(),
        }
        None
    }

    /// Records what the kernel will execute in place of a script.
    fn note_interpreters(&mut self, caller: &Caller, script: Resolved) -> Result<(), String> {
        let mut program = script.path;
        for _ in 0..MAX_INTERPRETERS {
            let Some(interpreter) = interpreter(&program) else {
                break;
            };
            let place = caller.place(self.log.view(), None, &interpreter, LastLink::Follow)?;
            let Some(place) = self.place(place) else {
                break;
            };
            self.log.read(&place);
            program = place.path;
        }
        Ok(())
    }
}

/// A script's interpreter may be a script, up to this depth.
const MAX_INTERPRETERS: usize = 5;
/// As much of a script as the kernel looks at.
const SCRIPT_HEAD: u64 = 256;

/// The path in the first line of a script.
fn interpreter(program: &Utf8Path) -> Option<Utf8PathBuf> {
    let is_file = program.metadata().is_ok_and(|metadata| metadata.is_file());
    let file = is_file.then(|| std::fs::File::open(program).ok()).flatten()?;
    let mut head = Vec::new();
    file.take(SCRIPT_HEAD).read_to_end(&mut head).ok()?;
    let line = head.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let line = std::str::from_utf8(line).ok()?;
    line.split_ascii_whitespace().next().map(Utf8PathBuf::from)
}

fn at_link(is_at_link: bool) -> LastLink {
    if is_at_link { LastLink::Keep } else { LastLink::Follow }
}

/// A process or thread that stopped before a call.
struct Caller {
    pid: Pid,
    call: Syscall,
}

impl Caller {
    fn open_flags(&self, flags: OpenFlags) -> Result<i32, String> {
        match flags {
            OpenFlags::Always(flags) => Ok(flags),
            OpenFlags::Arg(arg) => Ok(self.call.arguments[arg] as i32),
            OpenFlags::How(arg) => {
                let mut how = [0; size_of::<libc::open_how>()];
                // If the read is too short, the call fails.
                let _ = ptrace::read_memory(self.pid, self.call.arguments[arg], &mut how);
                let field = |index: usize| {
                    let bytes = how[index * 8..].first_chunk().copied().unwrap_or_default();
                    u64::from_ne_bytes(bytes)
                };
                if field(2) & libc::RESOLVE_IN_ROOT != 0 {
                    return Err("a process opened a file below a root of its own".to_owned());
                }
                Ok(field(0) as i32)
            }
        }
    }

    fn has_flag(&self, arg: usize, flag: i32) -> bool {
        self.call.arguments[arg] as i32 & flag != 0
    }

    /// Where the path that an argument names leads; nowhere if the call fails or works on a descriptor alone.
    fn path(&self, view: &View, path: PathArg, last: LastLink) -> Result<Place, String> {
        let Some(text) = self.text(self.call.arguments[path.text])? else {
            return Ok(Place::Nowhere);
        };
        let descriptor = path.at.map(|arg| self.call.arguments[arg] as i32);
        self.place(view, descriptor, Utf8Path::new(&text), last)
    }

    /// Where a path leads, from an open directory or the working directory.
    fn place(&self, view: &View, descriptor: Option<i32>, path: &Utf8Path, last: LastLink) -> Result<Place, String> {
        if path.is_absolute() {
            return Ok(place(view, self.pid, Utf8Path::new("/"), path, last));
        }
        let base = match descriptor {
            None | Some(libc::AT_FDCWD) => self.link("cwd"),
            Some(descriptor) => self.link(&format!("fd/{descriptor}")),
        };
        match base? {
            Some(base) if base.is_absolute() => Ok(place(view, self.pid, &base, path, last)),
            // Not open, or not a directory: the call fails.
            _ => Ok(Place::Nowhere),
        }
    }

    /// The target of a link in the caller's directory in `/proc`; `None` if there is no such link.
    fn link(&self, name: &str) -> Result<Option<Utf8PathBuf>, String> {
        let Ok(target) = std::fs::read_link(format!("/proc/{}/{name}", self.pid)) else {
            return Ok(None);
        };
        Utf8PathBuf::from_path_buf(target)
            .map(Some)
            .map_err(|path| not_utf8(&path.to_string_lossy()))
    }

    /// The text at an address; `None` if it is empty or the call fails for it.
    fn text(&self, address: u64) -> Result<Option<String>, String> {
        let mut bytes = Vec::new();
        while bytes.len() < PATH_MAX {
            // Not past the end of a page, because the next one may not be mapped.
            let from = address.wrapping_add(bytes.len() as u64);
            let mut piece = [0; 256];
            let length = piece.len().min((PAGE - from % PAGE) as usize);
            let Ok(read) = ptrace::read_memory(self.pid, from, &mut piece[..length]) else {
                return Ok(None);
            };
            let text = &piece[..read];
            if let Some(end) = text.iter().position(|byte| *byte == 0) {
                bytes.extend_from_slice(&text[..end]);
                let text =
                    String::from_utf8(bytes).map_err(|error| not_utf8(&String::from_utf8_lossy(error.as_bytes())))?;
                return Ok(Some(text).filter(|text| !text.is_empty()));
            }
            bytes.extend_from_slice(text);
        }
        Ok(None)
    }
}

/// Whether the rest of a socket address, after its family, is a loopback address.
fn is_this_machine(family: i32, rest: &[u8]) -> bool {
    // `sockaddr_in` has the port first; `sockaddr_in6` the port, the flow, and the address.
    match family {
        libc::AF_INET => rest.get(2) == Some(&127),
        libc::AF_INET6 => {
            let address = rest.get(6..22).and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
            address.map(Ipv6Addr::from).is_some_and(|address| {
                address.is_loopback() || address.to_ipv4_mapped().is_some_and(|address| address.is_loopback())
            })
        }
        _ => false,
    }
}

fn not_utf8(path: &str) -> String {
    format!("a path is not UTF-8: {path}")
}

fn stops_group(signal: i32) -> bool {
    matches!(signal, libc::SIGSTOP | libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU)
}
