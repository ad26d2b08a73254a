//! Ends what a killed execd left behind.
//!
//! execd supervises its processes and kills them when it ends. After `SIGKILL` it cannot, and grandchildren (a
//! compiler's linker, a build script's tool) would live on. The daemon is their subreaper, so they become its children.

cfg_if::cfg_if! {
    if #[cfg(target_os = "linux")] {
        use std::collections::BTreeSet;
        use std::fs;
        use std::io;

        use rustix::process::{Pid, Signal, WaitOptions, kill_process, set_child_subreaper, waitpid};

        use crate::process::stat::Stat;

        /// Rounds of killing: each finds the children of those killed in the round before.
        const ROUNDS: usize = 64;

        /// Makes this process the parent of descendants whose own parents have ended.
        pub fn adopt_orphans() -> io::Result<()> {
            set_child_subreaper(Some(rustix::process::getpid()))?;
            Ok(())
        }

        /// Kills and reaps the adopted children of this process and their descendants, sparing `services`.
        ///
        /// Adopted children are those in another session: services and what they start have their own sessions, and
        /// what the daemon itself starts stays in the daemon's. Blocks while the killed processes end.
        pub fn end_orphans(services: &[u32]) -> io::Result<()> {
            let own = std::process::id();
            let own_session = Stat::read(own)?.session;
            for _ in 0..ROUNDS {
                let orphans = orphans_of(own, own_session, services)?;
                if orphans.is_empty() {
                    return Ok(());
                }
                for &orphan in &orphans {
                    // Killed first and reaped later: all of them end at the same time.
                    let _ = kill_process(orphan, Signal::KILL);
                }
                for &orphan in &orphans {
                    tracing::warn!(pid = orphan.as_raw_nonzero(), "killed a process that its executor left behind");
                    let _ = waitpid(Some(orphan), WaitOptions::empty());
                }
            }
            Err(io::Error::other("orphaned processes start new ones faster than they are killed"))
        }

        /// Adopted children of `own` and everything below them.
        fn orphans_of(own: u32, own_session: u32, services: &[u32]) -> io::Result<Vec<Pid>> {
            let processes = all_processes()?;
            let is_adopted = |pid: u32, stat: &Stat| {
                stat.parent == own && stat.session != own_session && !services.contains(&pid)
            };
            let mut found: BTreeSet<u32> = BTreeSet::new();
            loop {
                let before = found.len();
                for (pid, stat) in &processes {
                    if is_adopted(*pid, stat) || found.contains(&stat.parent) {
                        found.insert(*pid);
                    }
                }
                if found.len() == before {
                    break;
                }
            }
            let to_pid = |pid| i32::try_from(pid).ok().and_then(Pid::from_raw);
            Ok(found.into_iter().filter_map(to_pid).collect())
        }

        fn all_processes() -> io::Result<Vec<(u32, Stat)>> {
            let mut processes = Vec::new();
            for entry in fs::read_dir("/proc")? {
                let name = entry?.file_name();
                let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
                    continue;
                };
                match Stat::read(pid) {
                    Ok(stat) => processes.push((pid, stat)),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(processes)
        }
    } else {
        use std::io;

        /// This system has no subreapers: orphans go to init.
        pub fn adopt_orphans() -> io::Result<()> {
            Ok(())
        }

        /// Nothing was adopted.
        pub fn end_orphans(_services: &[u32]) -> io::Result<()> {
            Ok(())
        }
    }
}
