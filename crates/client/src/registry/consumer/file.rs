//! The copy on disk: a full list as a server would have written it, so that anybody can read it.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use super::list::{self, List};

/// What was kept; `None` where nothing was, or nothing usable.
pub(super) fn load(path: &Path, bytes_max: usize) -> Option<List> {
    match read(path, bytes_max) {
        Ok(list) => Some(list),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "kept list of instances ignored");
            None
        }
    }
}

fn read(path: &Path, bytes_max: usize) -> io::Result<List> {
    let invalid = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
    let mut body = Vec::new();
    File::open(path)?.take(bytes_max as u64 + 1).read_to_end(&mut body)?;
    if body.len() > bytes_max {
        return Err(invalid(format!("it has more than {bytes_max} bytes")));
    }
    let list = list::decode(&body).map_err(|error| invalid(error.to_string()))?;
    let hash = list::hash(list.entries.iter().map(|entry| entry.instance.status));
    if list.refused > 0 || list.hash.as_ref() != Some(&hash) {
        return Err(invalid("it is damaged".to_owned()));
    }
    Ok(list)
}

/// Keeps a list in place of the one before: whole, or not at all.
pub(super) fn save(path: &Path, body: &[u8]) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
    let new = path.with_file_name(format!(".{name}.{}.new", std::process::id()));
    let written = File::create(&new)
        .and_then(|mut file| file.write_all(body).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        // It may not even be there.
        fs::remove_file(&new).unwrap_or_default();
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Instance;

    #[test]
    fn a_kept_list_comes_back_and_a_damaged_one_does_not() {
        let home = tempfile::tempdir().expect("a directory");
        let path = home.path().join("list.json");
        assert_eq!(load(&path, 10_000), None, "nothing was kept");
        let one = Instance::new("A", "1", "h", 1);
        let two = Instance::new("A", "2", "h", 1);
        let body = list::encode([&one, &two].into_iter());
        save(&path, b"earlier").expect("written");
        save(&path, &body).expect("written");
        assert_eq!(load(&path, 10_000).expect("a list").entries.len(), 2);
        assert_eq!(fs::read_dir(home.path()).expect("a directory").count(), 1, "nothing is left behind");
        assert_eq!(load(&path, body.len() - 1), None, "too long");
        let text = String::from_utf8(body.clone()).expect("text");
        let fewer = list::encode([&one].into_iter());
        let cut = text.replacen("UP_2_", "UP_3_", 1);
        for damaged in [&body[..body.len() / 2], b"", b"\0\0\0\0", cut.as_bytes(), &fewer[1..]] {
            fs::write(&path, damaged).expect("written");
            assert_eq!(load(&path, 10_000), None, "{damaged:?}");
        }
        save(&home.path().join("none/list.json"), &body).expect_err("there is no such directory");
    }
}
