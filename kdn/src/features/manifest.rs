//! What a registry says that a feature consists of.

use serde::Deserialize;

use super::{Problem, digest::Digest, error::Result};

pub(super) const MEDIA_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";

/// One archive of a feature.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Layer {
    pub(super) digest: Digest,
    pub(super) size: u64,
}

/// The archives of a feature, in the order in which they are unpacked.
pub(super) fn layers(manifest: &[u8]) -> Result<Vec<Layer>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Manifest {
        media_type: Option<String>,
        #[serde(default)]
        layers: Vec<Descriptor>,
    }
    #[derive(Deserialize)]
    struct Descriptor {
        digest: String,
        size: u64,
    }
    let wrong = |why: String| Problem::Manifest(why);
    let manifest: Manifest = serde_json::from_slice(manifest).map_err(|error| wrong(error.to_string()))?;
    if let Some(kind) = manifest.media_type.filter(|kind| kind != MEDIA_TYPE) {
        return Err(wrong(format!("media type {kind:?}")));
    }
    if manifest.layers.is_empty() {
        return Err(wrong("it has no layers".to_owned()));
    }
    let layer = |it: Descriptor| Ok(Layer { digest: Digest::parse(&it.digest)?, size: it.size });
    manifest.layers.into_iter().map(layer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_manifests_of_images_are_read() {
        let digest = Digest::of(b"x");
        let sent =
            format!(r#"{{"schemaVersion": 2, "layers": [{{"digest": "{digest}", "size": 1, "x": 2}}]}}"#);
        assert_eq!(layers(sent.as_bytes()).unwrap(), [Layer { digest, size: 1 }]);
        for other in [
            "<html>",
            r#"{"mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []}"#,
            r#"{"mediaType": "application/vnd.oci.image.manifest.v1+json"}"#,
            r#"{"layers": [{"digest": "sha256:../../x", "size": 1}]}"#,
        ] {
            assert!(layers(other.as_bytes()).is_err(), "{other}");
        }
    }
}
