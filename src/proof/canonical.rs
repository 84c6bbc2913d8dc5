//! JSON in its one form (RFC 8785): what is hashed and signed.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Result;
use super::merkle::Hash;
use crate::http::json;
use crate::text;

/// Deeper nesting is refused.
pub const MAX_DEPTH: usize = 32;

/// A value's one form.
///
/// # Errors
/// It is no JSON (a name that is no text), or holds a whole number that a double cannot hold, which
/// RFC 8785 would round: such numbers are to be text (RFC 7493 §2.2).
pub fn to_vec<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    let flaw = |error| text!("Cela ne s’écrit pas en JSON ({error}).", "This cannot be written as JSON ({error}).");
    let value = serde_json::to_value(value).map_err(flaw)?;
    refuse_rounding(&value)?;
    serde_json_canonicalizer::to_vec(&value).map_err(flaw)
}

/// As [`to_vec`], as text.
///
/// # Errors
/// Those of [`to_vec`].
pub fn to_string<T: Serialize>(value: &T) -> Result<String> {
    String::from_utf8(to_vec(value)?)
        .map_err(|_| text!("Le JSON canonique n’est pas de l’UTF-8.", "The canonical JSON is not UTF-8."))
}

/// The hash of a value's one form.
///
/// # Errors
/// Those of [`to_vec`].
pub fn hash<T: Serialize>(value: &T) -> Result<Hash> {
    to_vec(value).map(|bytes| Hash::of(&bytes))
}

/// Reads bytes that are their own one form: no member twice, nothing written otherwise.
///
/// # Errors
/// They are not.
pub fn read(bytes: &[u8]) -> Result<Value> {
    let value = json::read(bytes, MAX_DEPTH).map_err(|fault| fault.detail)?;
    if to_vec(&value)? == bytes { Ok(value) } else { Err(otherwise()) }
}

/// Reads bytes as a type, all of which the type means: what it would write is the same bytes.
///
/// # Errors
/// They are not canonical, not of the type, or say something that the type writes otherwise.
pub fn read_as<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    let flaw = |error| text!("Ce n’est pas ce qui est attendu ({error}).", "This is not what is expected ({error}).");
    let value: T = serde_json::from_value(read(bytes)?).map_err(flaw)?;
    if to_vec(&value)? == bytes { Ok(value) } else { Err(otherwise()) }
}

fn otherwise() -> crate::http::text::Text {
    text!("Ce n’est pas du JSON canonique (RFC 8785).", "This is not canonical JSON (RFC 8785).")
}

fn refuse_rounding(value: &Value) -> Result<()> {
    match value {
        Value::Number(number) if !number.is_f64() => {
            // Doubles hold every whole number up to 2^53, and some beyond.
            if serde_json_canonicalizer::to_string(number).is_ok_and(|written| written == number.to_string()) {
                Ok(())
            } else {
                Err(text!("Le nombre {number} serait arrondi.", "The number {number} would be rounded."))
            }
        }
        Value::Array(items) => items.iter().try_for_each(refuse_rounding),
        Value::Object(members) => members.values().try_for_each(refuse_rounding),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn form(json: &str) -> String {
        to_string(&serde_json::from_str::<Value>(json).expect("JSON")).expect("canonical")
    }

    /// RFC 8785 §3.2.2, §3.2.3 and the shared test data of its authors.
    #[test]
    fn the_known_documents_come_out() {
        let numbers = r#"{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
            "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/", "literals": [null, true, false]}"#;
        assert_eq!(
            form(numbers),
            r#"{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}"#
        );
        // Names are in the order of their UTF-16 code units: U+1F600 before U+FB33.
        let names = r#"{"\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh",
            "1": "One", "\ud83d\ude00": "Emoji: Grinning Face", "\u0080": "Control", "\u00f6": "Latin Small Letter O With Diaeresis"}"#;
        assert_eq!(
            form(names),
            "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u{80}\":\"Control\",\"ö\":\"Latin Small Letter O With Diaeresis\",\"€\":\"Euro Sign\",\"😀\":\"Emoji: Grinning Face\",\"\u{fb33}\":\"Hebrew Letter Dalet With Dagesh\"}"
        );
        assert_eq!(form(r#"[56, {"d": true, "10": null, "1": [ ]}]"#), r#"[56,{"1":[],"10":null,"d":true}]"#);
        assert_eq!(
            form(
                r#"{"1": {"f": {"f": "hi", "F": 5}, "\n": 56.0}, "": "empty", "a": {}, "111": [{"e": "yes", "E": "no"}], "A": {}}"#
            ),
            r#"{"":"empty","1":{"\n":56,"f":{"F":5,"f":"hi"}},"111":[{"E":"no","e":"yes"}],"A":{},"a":{}}"#
        );
        assert_eq!(form(r#"{"Unnormalized Unicode": "A\u030a"}"#), "{\"Unnormalized Unicode\":\"A\u{30a}\"}");
    }

    /// RFC 8785 appendix B.
    #[test]
    fn numbers_are_written_as_ecmascript_writes_them() {
        for (bits, written) in [
            (0x0000_0000_0000_0000, "0"),
            (0x8000_0000_0000_0000, "0"),
            (0x0000_0000_0000_0001, "5e-324"),
            (0x8000_0000_0000_0001, "-5e-324"),
            (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
            (0xffef_ffff_ffff_ffff, "-1.7976931348623157e+308"),
            (0x4340_0000_0000_0000, "9007199254740992"),
            (0xc340_0000_0000_0000, "-9007199254740992"),
            (0x4430_0000_0000_0000, "295147905179352830000"),
            (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
            (0x44b5_2d02_c7e1_4af6, "1e+23"),
            (0x44b5_2d02_c7e1_4af7, "1.0000000000000001e+23"),
            (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
            (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"),
            (0x444b_1ae4_d6e2_ef50, "1e+21"),
            (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
            (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
            (0x41b3_de43_5555_5553, "333333333.3333332"),
            (0x41b3_de43_5555_5554, "333333333.33333325"),
            (0x41b3_de43_5555_5555, "333333333.3333333"),
            (0x41b3_de43_5555_5556, "333333333.3333334"),
            (0x41b3_de43_5555_5557, "333333333.33333343"),
            (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
            (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
        ] {
            assert_eq!(to_string(&f64::from_bits(bits)), Ok(written.to_owned()), "{bits:x}");
            if bits != 1 << 63 {
                assert!(read(written.as_bytes()).is_ok(), "{written} is its own form");
            }
        }
    }

    #[test]
    fn a_number_that_would_be_rounded_is_refused() {
        for good in [0_i64, 1 << 53, (1 << 53) - 1] {
            assert_eq!(to_string(&good), Ok(good.to_string()));
            assert_eq!(to_string(&-good), Ok((-good).to_string()));
        }
        for bad in [json!((1_u64 << 53) + 1), json!(-(1_i64 << 53) - 1), json!({"a": [u64::MAX]}), json!(i64::MIN)] {
            assert!(to_vec(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_the_one_form_is_read() {
        for good in ["{}", "[]", "null", r#"{"a":1,"b":[true,"é"]}"#, "\"\\u001f\""] {
            assert!(read(good.as_bytes()).is_ok(), "{good}");
        }
        for bad in [
            "",
            " {}",
            "{} ",
            "{}\n",
            "{\"a\": 1}",
            "{\"b\":1,\"a\":1}",
            "{\"a\":1,\"a\":1}",
            "1.0",
            "1e2",
            "-0",
            "01",
            "1E30",
            "1e30",
            "\"\\u0041\"",
            "\"\\/\"",
            "\"\\u00e9\"",
            "\"\\u001F\"",
            "\"\\ud83d\\ude00\"",
            "[1,]",
            "NaN",
            "9007199254740993",
            "\u{feff}{}",
            "{\"a\":1}{}",
            "\"\\x\"",
            "0.10",
            "100000000000000000000000",
        ] {
            assert!(read(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(read(b"\"\xff\"").is_err());
        let deep = |depth| [vec![b'['; depth], vec![b']'; depth]].concat();
        assert!(read(&deep(MAX_DEPTH)).is_ok() && read(&deep(MAX_DEPTH + 1)).is_err());
    }

    #[test]
    fn what_a_type_would_write_otherwise_is_refused() {
        #[derive(Serialize, serde::Deserialize)]
        struct One {
            at: crate::db::Instant,
            #[serde(default, skip_serializing_if = "Option::is_none")]
            why: Option<String>,
        }
        let reads = |json: &str| read_as::<One>(json.as_bytes()).is_ok();
        assert!(reads(r#"{"at":"2026-01-05T10:00:00Z"}"#));
        assert!(!reads(r#"{"at":"2026-01-05T11:00:00+01:00"}"#), "the same instant, written otherwise");
        assert!(!reads(r#"{"at":"2026-01-05T10:00:00.000Z"}"#));
        assert!(!reads(r#"{"at":"2026-01-05T10:00:00Z","why":null}"#), "absent is written as absent");
        assert!(!reads(r#"{"at":"2026-01-05T10:00:00Z","what":1}"#), "unknown");
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-(1_i64 << 53)..=1 << 53).prop_map(Value::from),
            any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(".{0,6}", inner, 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_one_form_is_its_own_form(value in values()) {
            let bytes = to_vec(&value).expect("canonical");
            let again = read(&bytes).expect("its own form");
            prop_assert_eq!(to_vec(&again).expect("canonical"), bytes);
        }

        #[test]
        fn whatever_comes_it_is_read_in_one_form_or_not(text in "[\\[\\]{}\",:0-9a-c \\\\.eE+-]{0,30}") {
            if let Ok(value) = read(text.as_bytes()) {
                prop_assert_eq!(to_string(&value).expect("canonical"), text);
            }
        }
    }
}
