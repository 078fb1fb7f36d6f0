//! Paths as people are shown them.

use std::path::Path;

/// A path with the home folder written as `~`.
pub fn tilde(path: &Path, home: Option<&Path>) -> String {
    let inside =
        home.filter(|home| !home.as_os_str().is_empty()).and_then(|home| path.strip_prefix(home).ok());
    match inside {
        Some(inside) if inside.as_os_str().is_empty() => "~".to_owned(),
        Some(inside) => Path::new("~").join(inside).display().to_string(),
        None => path.display().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn home_is_a_tilde() {
        let short = |path: &str, home: &str| tilde(Path::new(path), Some(Path::new(home)));
        assert_eq!(short("/home/me/src", "/home/me"), "~/src");
        assert_eq!(short("/home/me", "/home/me/"), "~");
        assert_eq!(short("/home/melanie", "/home/me"), "/home/melanie");
        assert_eq!(short("/src", ""), "/src");
        assert_eq!(tilde(Path::new("/src"), None), "/src");
    }
}
