//! What is recorded of a system call that a process is about to make, however the kernel told of it.

use std::net::Ipv6Addr;
use std::sync::Arc;

use camino::Utf8PathBuf;
use rustix::process::Pid;
use vx_path::{LastLink, Resolved, Was};
use vx_proto::Observation;

use super::caller::{Caller, Named, Syscall, not_utf8};
use super::known::{IS_ABSENT, IS_NO_LINK, KnownUses, Repeat};
use super::log::{AccessLog, Reach, Scope};
use super::place::{Place, place};
use super::programs::Program;
use super::repeats::Repeats;
use super::syscalls::{ARCH, Call, FOREIGN_FROM, LookFlags, PathArg, lookup};

/// A script's interpreter may be a script, up to this depth.
const MAX_INTERPRETERS: usize = 5;

/// Records the calls of one process tree. Each must wait until it is recorded, so that the disk shows the state before.
#[derive(Debug)]
pub(super) struct Observer {
    log: AccessLog,
    repeats: Repeats,
    known: Option<Arc<KnownUses>>,
}

impl Observer {
    pub(super) fn new(scope: Scope, known: Option<Arc<KnownUses>>) -> Self {
        Self {
            log: AccessLog::new(scope),
            repeats: Repeats::default(),
            known,
        }
    }

    /// Something escaped.
    pub(super) fn set_incomplete(&mut self, reason: impl Into<String>) {
        self.log.set_incomplete(reason);
    }

    /// Everything, once the tree is gone.
    pub(super) fn finish(self) -> (Observation, Reach) {
        let reach = self.log.reach();
        (self.log.finish(), reach)
    }

    /// Records what a process runs, which the kernel may have chosen: for a format that was registered with it, another
    /// program than was called.
    pub(super) fn observe_image(&mut self, pid: Pid) {
        match std::fs::read_link(format!("/proc/{pid}/exe")).map(Utf8PathBuf::from_path_buf) {
            Ok(Ok(program)) => {
                let program = self.log.view().real(&program).into_owned();
                self.log.execute(&program);
            }
            Ok(Err(program)) => self.log.set_incomplete(not_utf8(&program.to_string_lossy())),
            // Killed just now.
            Err(_) => {}
        }
    }

    /// Records what a call is about to do. Returns whether it executes a program, if it succeeds.
    pub(super) fn observe_call(&mut self, pid: Pid, call: Syscall) -> bool {
        if Some(call.arch) != ARCH || call.number >= u64::from(FOREIGN_FROM) {
            self.log.set_incomplete("a process of another instruction set ran");
            return false;
        }
        let Some(meaning) = lookup(call.number) else {
            return false;
        };
        if let Err(reason) = self.note_call(&Caller { pid, call }, meaning) {
            self.log.set_incomplete(reason);
        }
        self.forget_if_changed();
        matches!(meaning, Call::Execute(_))
    }

    /// Records what a call does; an error is a reason why the observation is incomplete.
    fn note_call(&mut self, caller: &Caller, meaning: Call) -> Result<(), String> {
        match meaning {
            Call::Open(path, flags) => {
                let flags = caller.open_flags(flags)?;
                if let Some(repeat) = Repeat::of_open(flags) {
                    return self.with_repeated(caller, path, repeat, |log, place| log.open(place, flags));
                }
                let is_new = flags & libc::O_CREAT != 0 && flags & libc::O_EXCL != 0;
                let last = at_link(is_new || flags & libc::O_NOFOLLOW != 0);
                self.with(caller, path, last, |log, place| log.open(place, flags))
            }
            Call::Look(path, flags) => {
                let is_at_link = match flags {
                    LookFlags::Arg(arg) => caller.has_flag(arg, libc::AT_SYMLINK_NOFOLLOW),
                    LookFlags::AtLink => true,
                    LookFlags::BehindLink => false,
                };
                let repeat = if is_at_link { Repeat::LookAtLink } else { Repeat::Look };
                self.with_repeated(caller, path, repeat, AccessLog::look)
            }
            Call::ReadLink(path) => self.with_repeated(caller, path, Repeat::ReadLink, AccessLog::pass),
            Call::Enter(path) => self.with_repeated(caller, path, Repeat::Enter, AccessLog::pass),
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
                let program = self.place(caller, caller.named(path)?, LastLink::Follow);
                program.map_or(Ok(()), |program| self.note_program(caller, program))
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
                let from = self.place(caller, caller.named(from)?, LastLink::Keep);
                let to = self.place(caller, caller.named(to)?, LastLink::Keep);
                if let (Some(from), Some(to)) = (from, to) {
                    self.log.rename(&from, &to);
                }
                Ok(())
            }
            Call::Connect(address) => self.note_connection(caller, address),
            Call::Escape(how) => Err(format!("a process {how}")),
        }
    }

    fn note_connection(&mut self, caller: &Caller, address: usize) -> Result<(), String> {
        let address = caller.call.arguments[address];
        let mut bytes = [0; size_of::<libc::sockaddr_un>()];
        let length = match address {
            0 => 0,
            _ => caller.memory(address, &mut bytes)?.unwrap_or(0),
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
                let named = path
                    .map(|path| caller.path_from(None, path.into()))
                    .transpose()?
                    .flatten();
                let path = self.place(caller, named, LastLink::Follow).map(|place| place.path);
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
        if let Some(place) = self.place(caller, caller.named(path)?, last) {
            note(&mut self.log, &place);
        }
        Ok(())
    }

    /// The same for a use that changes nothing: if it was recorded before, and still finds the same there, it is not
    /// resolved again.
    fn with_repeated(
        &mut self,
        caller: &Caller,
        path: PathArg,
        repeat: Repeat,
        note: impl FnOnce(&mut AccessLog, &Resolved),
    ) -> Result<(), String> {
        let Some(named) = caller.named(path)? else {
            return Ok(());
        };
        let text = named.absolute();
        if let Some(place) = self.repeats.get(repeat, &text)
            && self.log.has(place)
        {
            return Ok(());
        }
        if let Some((place, by_magic)) = self.found(caller, &named, repeat.last()) {
            note(&mut self.log, &place);
            if !by_magic {
                self.add_known(repeat, &text, &place);
                self.repeats.add(repeat, text.into_owned(), place);
            }
        }
        Ok(())
    }

    fn add_known(&self, repeat: Repeat, text: &str, place: &Resolved) {
        if let Some(known) = &self.known
            && self.log.is_settled(place)
        {
            let known_of_it = match Was::at(&place.path) {
                Was::Absent if repeat == Repeat::ReadLink => IS_ABSENT,
                was if repeat == Repeat::ReadLink && !was.is_link() => IS_NO_LINK,
                _ => 0,
            };
            known.add(repeat, text, known_of_it);
        }
    }

    /// What was known may lead elsewhere from now on. The process still waits.
    fn forget_if_changed(&mut self) {
        if self.log.has_changed_something()
            && let Some(known) = self.known.take()
        {
            known.close();
        }
    }

    /// What a path is outside of the caller's view; `None` if there is nothing more to record.
    fn place(&mut self, caller: &Caller, named: Option<Named>, last: LastLink) -> Option<Resolved> {
        self.found(caller, &named?, last).map(|(place, _)| place)
    }

    /// The same, and whether a link of `/proc` is on the way.
    fn found(&mut self, caller: &Caller, named: &Named, last: LastLink) -> Option<(Resolved, bool)> {
        match place(self.log.view(), caller.pid, named.base(), named.path(), last) {
            Place::At { place, by_magic } => return Some((place, by_magic)),
            Place::Nowhere => {}
            Place::Search(path) => self.log.search(path),
            Place::Left => self.log.leave_view(),
        }
        None
    }

    /// Records a program, and what the kernel opens to execute it.
    fn note_program(&mut self, caller: &Caller, mut program: Resolved) -> Result<(), String> {
        for _ in 0..MAX_INTERPRETERS {
            self.log.read(&program);
            let interpreter = match Program::at(&program.path) {
                Program::Script(interpreter) => interpreter,
                Program::Binary(linker) => {
                    self.log.execute(&program.path);
                    let linker = linker
                        .map(|linker| caller.path_from(None, linker.into_string()))
                        .transpose()?
                        .flatten();
                    if let Some(linker) = self.place(caller, linker, LastLink::Follow) {
                        self.log.read(&linker);
                    }
                    break;
                }
                Program::Unknown => break,
            };
            let interpreter = caller.path_from(None, interpreter.into_string())?;
            match self.place(caller, interpreter, LastLink::Follow) {
                Some(interpreter) => program = interpreter,
                None => break,
            }
        }
        Ok(())
    }
}

fn at_link(is_at_link: bool) -> LastLink {
    if is_at_link { LastLink::Keep } else { LastLink::Follow }
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
