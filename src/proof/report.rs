//! How a [`verdict`](super::verdict) is come to: check after check, and what ties it to the reader.

use super::Result;
use super::checkpoint::Checkpoint;
use super::checks::Signer;
use super::merkle::Hash;
use super::verdict::{Check, CheckResult, Trust};
use crate::http::text::Text;
use crate::text;

/// What is being found.
#[derive(Default)]
pub(super) struct Report {
    pub checks: Vec<Check>,
    /// It is tied to something that the reader trusts.
    pub is_pinned: bool,
}

impl Report {
    pub(super) fn note(&mut self, code: &'static str, result: CheckResult, text: Text) {
        self.checks.push(Check { code, result, text });
    }

    /// Writes down how a check ended, and goes on only when it passed.
    pub(super) fn step<T>(
        &mut self,
        code: &'static str,
        result: Result<T>,
        says: impl FnOnce(&T) -> Text,
    ) -> Option<T> {
        match result {
            Ok(value) => {
                let text = says(&value);
                self.note(code, CheckResult::Passed, text);
                Some(value)
            }
            Err(text) => {
                self.note(code, CheckResult::Failed, text);
                None
            }
        }
    }

    /// Ties what was read to something trusted, if it can be; none when both cannot be true. The root
    /// of an earlier state is what was read of it, if anything.
    pub(super) fn tie(
        &mut self,
        trust: &Trust,
        checkpoint: &Checkpoint,
        root_at: &dyn Fn(u64) -> Option<Hash>,
        signers: &[Signer],
    ) -> Option<()> {
        let Checkpoint { origin, size, .. } = checkpoint;
        let two_histories = |earlier: u64| {
            text!(
                "Le journal a montré deux histoires : à {earlier} entrées, ce n’est pas l’état que vous avez gardé.",
                "The log has shown two histories: at {earlier} entries, its state is not the one that you have kept."
            )
        };
        let (result, text) = match trust {
            Trust::Auditor(_) => return Some(()),
            Trust::Key(key) => {
                let name = key.name();
                match signers.iter().any(|signer| signer.by == *key) {
                    true => (
                        CheckResult::Passed,
                        text!(
                            "La clé « {name} », à laquelle vous vous fiez, a signé.",
                            "The key `{name}`, which you trust, has signed."
                        ),
                    ),
                    false => (
                        CheckResult::Open,
                        text!(
                            "La clé « {name} », à laquelle vous vous fiez, n’a pas signé.",
                            "The key `{name}`, which you trust, has not signed."
                        ),
                    ),
                }
            }
            Trust::Checkpoint(kept) if kept.origin != *origin => {
                let other = &kept.origin;
                (
                    CheckResult::Open,
                    text!(
                        "L’état que vous avez gardé est d’un autre journal, « {other} ».",
                        "The state that you have kept is of another log, `{other}`."
                    ),
                )
            }
            Trust::Checkpoint(kept) => {
                let earlier = kept.size;
                let known = root_at(earlier);
                // Anybody can continue what is public: it takes a key that the kept state has already.
                let is_known_key = signers.iter().any(|signer| signer.from.is_some_and(|from| from < earlier));
                match known {
                    Some(known) if known == kept.root && is_known_key => (
                        CheckResult::Passed,
                        text!(
                            "Le journal prolonge l’état à {earlier} entrées que vous avez gardé, avec une clé de celui-ci.",
                            "The log continues the state of {earlier} entries that you have kept, with a key of it."
                        ),
                    ),
                    Some(known) if known == kept.root => (
                        CheckResult::Open,
                        text!(
                            "L’état gardé ({earlier} entrées) ne connaît aucune des clés du journal qui ont signé.",
                            "The state kept ({earlier} entries) knows none of the log's keys that have signed."
                        ),
                    ),
                    Some(_) => (CheckResult::Failed, two_histories(earlier)),
                    None if earlier > *size => (
                        CheckResult::Open,
                        text!(
                            "L’état gardé ({earlier} entrées) est plus récent que ce fichier : demandez-en un nouveau.",
                            "The state kept ({earlier} entries) is later than this file: ask for a new one."
                        ),
                    ),
                    None => (
                        CheckResult::Open,
                        text!(
                            "Le fichier n’a pas la preuve qui part de l’état gardé ({earlier} entrées) : demandez-la.",
                            "The file has no proof from the state kept ({earlier} entries): ask for one."
                        ),
                    ),
                }
            }
        };
        self.is_pinned |= result == CheckResult::Passed;
        self.note("trust", result, text);
        (result != CheckResult::Failed).then_some(())
    }

    /// Says at the end whether anything ties it to the reader.
    pub(super) fn sum_up(&mut self) {
        let (result, text) = if self.is_pinned {
            (
                CheckResult::Passed,
                text!("Ce qui a été lu tient à ce à quoi vous vous fiez.", "What was read is tied to what you trust."),
            )
        } else {
            (
                CheckResult::Open,
                text!(
                    "Rien ne le rattache à ce à quoi vous vous fiez : n’importe qui a pu le faire.",
                    "Nothing ties it to what you trust: anybody may have made it."
                ),
            )
        };
        self.note("pinned", result, text);
    }
}
