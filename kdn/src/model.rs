//! Model ids: `model`, `provider::model` or `provider::model::baseURL`.

/// The parts of a model id. The id itself is stored as the user gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelId<'a> {
    /// Who serves the model, such as `ollama`; may be empty in `::model::url`.
    pub provider: Option<&'a str>,
    /// The model's own name, which is what people are shown.
    pub model: &'a str,
    /// Where it is served; may contain `::` itself.
    pub base_url: Option<&'a str>,
}

impl<'a> ModelId<'a> {
    /// Takes an id apart. Every text is an id.
    pub fn parse(id: &'a str) -> Self {
        match id.split_once("::") {
            None => Self { provider: None, model: id, base_url: None },
            Some((provider, rest)) => match rest.split_once("::") {
                None => Self { provider: Some(provider), model: rest, base_url: None },
                Some((model, url)) => Self { provider: Some(provider), model, base_url: Some(url) },
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_into_at_most_three() {
        let parts = |id| {
            let ModelId { provider, model, base_url } = ModelId::parse(id);
            (provider, model, base_url)
        };
        assert_eq!(parts("opus"), (None, "opus", None));
        assert_eq!(parts("ollama::qwen3"), (Some("ollama"), "qwen3", None));
        assert_eq!(parts("a::m::http://[::1]:80"), (Some("a"), "m", Some("http://[::1]:80")));
        assert_eq!(parts("::m::u"), (Some(""), "m", Some("u")));
    }
}
