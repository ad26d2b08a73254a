//! How often texts occur in a file, with or without the debug information of compilers.

use std::fs::File;
use std::io::{self, Read as _};
use std::ops::Range;

use aho_corasick::AhoCorasick;
use object::read::archive::ArchiveFile;
use object::{Object as _, ObjectSection as _};

use crate::files;

/// Counts for each of `texts` how often it occurs in `file`, as bytes; an empty one occurs once. It needs one pass for
/// any number of texts, and memory for only a piece of the file.
pub(crate) fn count(file: &File, texts: &[String]) -> io::Result<Vec<u64>> {
    let mut counts: Vec<u64> = texts.iter().map(|text| u64::from(text.is_empty())).collect();
    let automaton = AhoCorasick::new(texts).map_err(io::Error::other)?;
    let longest = texts.iter().map(String::len).max().unwrap_or(0);
    // The end of one piece is searched again with the next: a text may span both.
    let mut window: Vec<u8> = Vec::new();
    files::for_each_piece(file, |piece| {
        let counted = window.len();
        window.extend_from_slice(piece);
        for found in automaton
            .find_overlapping_iter(&window)
            .filter(|found| found.end() > counted)
        {
            if !found.is_empty() {
                counts[found.pattern()] += 1;
            }
        }
        let kept = window.len().min(longest.saturating_sub(1));
        window.drain(..window.len() - kept);
        Ok(())
    })?;
    Ok(counts)
}

/// Larger files are searched whole.
const MAX_PARSED: u64 = 512 << 20;

/// The same, but in ELF files, and in archives of these, debug information is not searched.
pub(crate) fn count_outside_debug_info(mut file: &File, texts: &[String]) -> io::Result<Vec<u64>> {
    let mut magic = [0; 8];
    let begins = file.read(&mut magic)?;
    io::Seek::rewind(&mut file)?;
    let is_parsed = magic[..begins].starts_with(b"\x7fELF") || magic == *b"!<arch>\n";
    if !is_parsed || file.metadata()?.len() > MAX_PARSED {
        return count(file, texts);
    }
    let mut content = Vec::new();
    file.read_to_end(&mut content)?;
    for range in debug_information(&content) {
        content[range].fill(0);
    }
    let automaton = AhoCorasick::new(texts).map_err(io::Error::other)?;
    let mut counts: Vec<u64> = texts.iter().map(|text| u64::from(text.is_empty())).collect();
    for found in automaton
        .find_overlapping_iter(&content)
        .filter(|found| !found.is_empty())
    {
        counts[found.pattern()] += 1;
    }
    Ok(counts)
}

/// Where the debug information of `content` is. What cannot be parsed has none.
fn debug_information(content: &[u8]) -> Vec<Range<usize>> {
    let within = |(start, size): (u64, u64), whole: Range<usize>| {
        let start = whole.start.checked_add(usize::try_from(start).ok()?)?;
        let end = start.checked_add(usize::try_from(size).ok()?)?;
        (end <= whole.end).then_some(start..end)
    };
    let whole = (0, content.len() as u64);
    let members = match ArchiveFile::parse(content) {
        Ok(archive) => {
            let members = archive.members().filter_map(|member| Some(member.ok()?.file_range()));
            members.collect()
        }
        Err(_) => vec![whole],
    };
    let members = members.into_iter().filter_map(|range| within(range, 0..content.len()));
    let mut found = Vec::new();
    for member in members {
        let Ok(file) = object::File::parse(&content[member.clone()]) else {
            continue;
        };
        let is_debug = |name: &str| name.starts_with(".debug_") || name.starts_with(".zdebug_");
        let sections = file.sections().filter(|section| section.name().is_ok_and(is_debug));
        let ranges = sections.filter_map(|section| within(section.file_range()?, member.clone()));
        found.extend(ranges);
    }
    found
}

#[cfg(test)]
mod tests {
    use std::io::{Seek as _, Write as _};

    use super::{count, count_outside_debug_info};

    fn count_in(content: &[u8], texts: &[&str]) -> Vec<u64> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        file.rewind().unwrap();
        let texts: Vec<String> = texts.iter().map(ToString::to_string).collect();
        count(&file, &texts).unwrap()
    }

    #[test]
    fn texts_inside_one_another_all_occur() {
        let found = count_in(
            b"..CARGO_CFG_TARGET..CARGO",
            &["CARGO", "CARGO_CFG", "CFG", "TARGET_OS", "", "CARGO"],
        );
        assert_eq!(found, [2, 1, 1, 0, 1, 2]);
        assert_eq!(count_in(b"", &["A", ""]), [0, 1]);
        assert_eq!(count_in(b"x", &[]), [0; 0]);
    }

    #[test]
    fn debug_information_of_objects_and_archives_can_be_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let source = "const char *named = \"in the code\"; int f(void) { return 0; }";
        std::fs::write(dir.path().join("source.c"), source).unwrap();
        let run = |program: &str, arguments: &[&str]| {
            let status = std::process::Command::new(program)
                .args(arguments)
                .current_dir(dir.path())
                .status();
            assert!(status.unwrap().success(), "{program}");
        };
        run("cc", &["-g", "-c", "source.c", "-o", "object.o"]);
        run("ar", &["rcs", "library.a", "object.o"]);
        let path = dir.path().canonicalize().unwrap().to_str().unwrap().to_owned();
        let texts = [path, "in the code".to_owned()];
        for name in ["object.o", "library.a"] {
            let open = || std::fs::File::open(dir.path().join(name)).unwrap();
            assert!(count(&open(), &texts).unwrap()[0] > 0, "{name}");
            assert_eq!(count_outside_debug_info(&open(), &texts).unwrap(), [0, 1], "{name}");
        }
    }

    #[test]
    fn what_only_looks_like_an_object_is_searched_whole() {
        for begins in ["\x7fELF", "!<arch>\n", "", "x"] {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(format!("{begins}named").as_bytes()).unwrap();
            file.rewind().unwrap();
            assert_eq!(
                count_outside_debug_info(&file, &["named".to_owned()]).unwrap(),
                [1],
                "{begins:?}"
            );
        }
    }

    #[test]
    fn a_text_across_pieces_occurs_once() {
        for shift in 0..12 {
            let mut content = vec![b'.'; (256 << 10) - shift];
            content.extend_from_slice(b"RUSTC_LINKER");
            assert_eq!(
                count_in(&content, &["RUSTC_LINKER", "RUSTC", "C", "RUSTC_LINKER."]),
                [1, 1, 1, 0],
                "shift {shift}"
            );
        }
    }
}
