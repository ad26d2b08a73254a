//! Which of some texts occur in a file.

use std::fs::File;
use std::io;

use aho_corasick::AhoCorasick;

use crate::files;

/// Marks for each of `texts` whether it occurs in `file`, as bytes. One pass, whatever the number of texts; memory for a
/// piece of the file only.
pub(crate) fn occurring(file: &File, texts: &[String]) -> io::Result<Vec<bool>> {
    let mut occurs: Vec<bool> = texts.iter().map(String::is_empty).collect();
    let automaton = AhoCorasick::new(texts).map_err(io::Error::other)?;
    let longest = texts.iter().map(String::len).max().unwrap_or(0);
    // The end of one piece is searched again with the next: a text may lie across.
    let mut window = Vec::new();
    files::for_each_piece(file, |piece| {
        window.extend_from_slice(piece);
        for found in automaton.find_overlapping_iter(&window) {
            occurs[found.pattern()] = true;
        }
        let kept = window.len().min(longest.saturating_sub(1));
        window.drain(..window.len() - kept);
        Ok(())
    })?;
    Ok(occurs)
}

#[cfg(test)]
mod tests {
    use std::io::{Seek as _, Write as _};

    use super::occurring;

    fn occurring_in(content: &[u8], texts: &[&str]) -> Vec<bool> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        file.rewind().unwrap();
        let texts: Vec<String> = texts.iter().map(ToString::to_string).collect();
        occurring(&file, &texts).unwrap()
    }

    #[test]
    fn texts_inside_one_another_all_occur() {
        let found = occurring_in(
            b"..CARGO_CFG_TARGET..",
            &["CARGO", "CARGO_CFG", "CFG", "TARGET_OS", "", "CARGO"],
        );
        assert_eq!(found, [true, true, true, false, true, true]);
        assert_eq!(occurring_in(b"", &["A", ""]), [false, true]);
        assert_eq!(occurring_in(b"x", &[]), [false; 0]);
    }

    #[test]
    fn a_text_across_pieces_occurs() {
        for shift in 0..12 {
            let mut content = vec![b'.'; (256 << 10) - shift];
            content.extend_from_slice(b"RUSTC_LINKER");
            assert_eq!(
                occurring_in(&content, &["RUSTC_LINKER", "RUSTC_LINKER."]),
                [true, false],
                "shift {shift}"
            );
        }
    }
}
