//! How often texts occur in a file.

use std::fs::File;
use std::io;

use aho_corasick::AhoCorasick;

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

#[cfg(test)]
mod tests {
    use std::io::{Seek as _, Write as _};

    use super::count;

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
