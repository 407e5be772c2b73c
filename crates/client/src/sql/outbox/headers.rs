//! Headers of a message in one column, a line each, as HTTP writes them: whoever looks into the table can read them.

use super::HEADERS_BYTES_MAX;

/// Writes headers.
///
/// # Errors
/// One of them would be read as something else, or they are too long.
pub(super) fn write(headers: &[(String, String)]) -> sqlx::Result<String> {
    let mut text = String::new();
    for (name, value) in headers {
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':');
        let is_value = !value.contains(['\r', '\n', '\0']);
        if !is_name || !is_value {
            return Err(sqlx::Error::InvalidArgument(format!("{name:?}: {value:?} is no header")));
        }
        text += &format!("{name}: {value}\n");
    }
    if text.len() > HEADERS_BYTES_MAX {
        return Err(sqlx::Error::InvalidArgument("the headers of a message have at most 16 KiB".to_owned()));
    }
    Ok(text)
}

/// Reads what [`write`] has written.
pub(super) fn read(text: &str) -> Vec<(String, String)> {
    let pairs = text.split('\n').filter_map(|line| line.split_once(": "));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}
