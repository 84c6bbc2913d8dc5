//! What `Accept` (RFC 9110 §12.5.1) leaves room for.

/// How much a media type is wanted, in thousandths: what the most specific range that covers it says.
pub fn quality(accept: &str, media: &str) -> u16 {
    let kind = media.split('/').next().unwrap_or_default();
    let mut best = (0, 0);
    for range in accept.split(',') {
        let mut parts = range.split(';').map(|part| part.trim().to_ascii_lowercase());
        let specific = match parts.next().unwrap_or_default() {
            range if range == media => 3,
            range if range.strip_suffix("/*") == Some(kind) => 2,
            range if range == "*/*" || range.is_empty() => 1,
            _ => continue,
        };
        let weight = parts.find_map(|part| part.strip_prefix("q=").and_then(|q| q.parse::<f32>().ok())).unwrap_or(1.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0–1000")]
        let weight = (weight.clamp(0.0, 1.0) * 1000.0).round() as u16;
        best = best.max((specific, weight));
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::quality;

    #[test]
    fn the_most_specific_range_decides() {
        let accept = "text/*;q=0.3, text/csv;q=0.7, */*;q=0.1";
        assert_eq!(["text/csv", "text/plain", "application/json"].map(|media| quality(accept, media)), [700, 300, 100]);
        assert_eq!(quality("text/csv;q=0, */*", "text/csv"), 0);
        assert_eq!(quality("text/html", "application/json"), 0);
    }
}
