//! Reading JSON strictly: duplicate members and excess depth are refused, with
//! their place.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::error::Fault;
use crate::text;

/// Reads one JSON value.
///
/// # Errors
/// A fault with the place: not JSON, a member twice, nested deeper than `max_depth`.
pub fn read(bytes: &[u8], max_depth: usize) -> Result<Value, Fault> {
    if let Err(error) = std::str::from_utf8(bytes) {
        let at = error.valid_up_to();
        return Err(Fault::body(
            "",
            "invalid_utf8",
            text!("Le corps n’est pas de l’UTF-8 (octet {at}).", "The body is not UTF-8 (byte {at})."),
        ));
    }
    let refusal = RefCell::new(None);
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let seed = Strict { place: &Step::Root, left: max_depth, max_depth, refusal: &refusal };
    seed.deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value)).map_err(|error| {
        refusal.take().unwrap_or_else(|| {
            let (line, column) = (error.line(), error.column());
            let kind = if error.is_eof() {
                text!(
                    "Le JSON s’arrête avant sa fin (ligne {line}, colonne {column}).",
                    "The JSON ends too early (line {line}, column {column})."
                )
            } else {
                text!(
                    "Ce n’est pas du JSON (ligne {line}, colonne {column}).",
                    "This is not JSON (line {line}, column {column})."
                )
            };
            Fault::body("", "invalid_json", kind)
        })
    })
}

/// One step of the way from the root, to name a place without building it each time.
enum Step<'a> {
    Root,
    Member(&'a Step<'a>, &'a str),
    Item(&'a Step<'a>, usize),
}

impl fmt::Display for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Member(parent, name) => write!(f, "{parent}/{}", escape(name)),
            Self::Item(parent, index) => write!(f, "{parent}/{index}"),
        }
    }
}

/// A member's name as a token of a JSON Pointer (RFC 6901 §3).
pub fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

struct Strict<'a> {
    place: &'a Step<'a>,
    left: usize,
    max_depth: usize,
    refusal: &'a RefCell<Option<Fault>>,
}

impl Strict<'_> {
    /// Enters one more array or object.
    fn enter<E: serde::de::Error>(&mut self) -> Result<(), E> {
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => {
                let max = self.max_depth;
                Err(self.refuse(Fault::body(
                    self.place.to_string(),
                    "too_deep",
                    text!("Plus de {max} niveaux d’imbrication.", "Nested more than {max} levels deep."),
                )))
            }
        }
    }

    fn inner<'b>(&'b self, place: &'b Step<'b>) -> Strict<'b> {
        Strict { place, left: self.left, max_depth: self.max_depth, refusal: self.refusal }
    }

    fn refuse<E: serde::de::Error>(&self, fault: Fault) -> E {
        *self.refusal.borrow_mut() = Some(fault);
        E::custom("refused")
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(Value::Number(v.into()))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(Value::Number(v.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, v: f64) -> Result<Value, E> {
        Number::from_f64(v).map(Value::Number).ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(Value::String(v.to_owned()))
    }

    fn visit_string<E>(self, v: String) -> Result<Value, E> {
        Ok(Value::String(v))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<Value, A::Error> {
        self.enter()?;
        let mut items = Vec::new();
        loop {
            let place = Step::Item(self.place, items.len());
            match seq.next_element_seed(self.inner(&place))? {
                Some(item) => items.push(item),
                None => return Ok(Value::Array(items)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Value, A::Error> {
        self.enter()?;
        let mut members = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            let place = Step::Member(self.place, &name);
            if members.contains_key(&name) {
                return Err(self.refuse(Fault::body(
                    place.to_string(),
                    "duplicate_member",
                    text!("Le membre « {name} » figure deux fois.", "The member `{name}` appears twice."),
                )));
            }
            let value = map.next_value_seed(self.inner(&place))?;
            if members.insert(name, value).is_some() {
                return Err(A::Error::custom("duplicate member"));
            }
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::read;
    use crate::error::Place;

    fn refused(text: &str) -> (String, &'static str) {
        let fault = read(text.as_bytes(), 4).expect_err("refused");
        match fault.place {
            Place::Body(pointer) | Place::Parameter(pointer) => (pointer, fault.code),
        }
    }

    #[test]
    fn a_member_twice_is_refused_with_its_place() {
        assert_eq!(refused(r#"{"a": [{"b": 1, "b": 2}]}"#), ("/a/0/b".to_owned(), "duplicate_member"));
    }

    #[test]
    fn excess_depth_is_refused_with_its_place() {
        assert!(read(b"[[[[1]]]]", 4).is_ok());
        assert!(read(b"[[[[]]]]", 4).is_ok());
        assert_eq!(refused("[0, [[[[]]]]]"), ("/1/0/0/0".to_owned(), "too_deep"));
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for text in ["", "{", "{'a':1}", "1e400", r#""\ud800""#, "[1,]", "{} {}"] {
            assert_eq!(refused(text), (String::new(), "invalid_json"), "{text}");
        }
        assert_eq!(read(b"\"\xff\"", 4).expect_err("refused").code, "invalid_utf8");
    }

    proptest::proptest! {
        #[test]
        fn reading_agrees_with_serde_json(text in "[\\[\\]{}\",:0-9a-c \\\\.eE+-]{0,40}") {
            if let Ok(value) = read(text.as_bytes(), 32) {
                proptest::prop_assert_eq!(value, serde_json::from_str::<serde_json::Value>(&text).expect("valid"));
            }
        }
    }
}
