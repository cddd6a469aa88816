//! What somebody may have meant.

use relsim_machine::{ModelDef, ParamError};

/// Names less alike than this are not suggested.
const ALIKE: f64 = 0.8;

/// The one of `known` that is most like `name`, if any is.
pub fn closest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_ascii_lowercase().replace('-', "_");
    let likeness = |known: &str| strsim::jaro_winkler(&lower, &known.replace('-', "_"));
    let scored = known.map(|known| (likeness(known), known)).filter(|(score, _)| *score >= ALIKE);
    scored.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, known)| known)
}

/// Help for a parameter that `model` refused.
pub fn for_parameter(model: &ModelDef, error: &ParamError) -> Option<String> {
    let show = format!("`relsim timing show {}` lists the parameters", model.name);
    match error {
        ParamError::Unknown { .. } if model.parameters.is_empty() => {
            Some("`relsim timing list` shows the models; this one has no parameters".into())
        }
        ParamError::Unknown { name, .. } => match closest(name, model.parameters.iter().map(|p| p.name)) {
            Some(known) => Some(format!("did you mean {known}? {show}")),
            None => Some(show),
        },
        ParamError::Fixed { .. } => Some(show),
        ParamError::Range { .. } | ParamError::NoPowerOfTwo { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_alike_is_suggested() {
        let known = || ["memory_read_latency", "memory_write_latency", "l1i_sets"].into_iter();
        assert_eq!(closest("memory_read_latncy", known()), Some("memory_read_latency"));
        assert_eq!(closest("Memory-Write-Latency", known()), Some("memory_write_latency"));
        assert_eq!(closest("l1i_set", known()), Some("l1i_sets"));
        assert_eq!(closest("voltage", known()), None);
        assert_eq!(closest("", known()), None);
    }
}
