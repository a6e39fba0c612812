//! The name of a new provider: what it may be, and its spellings.

use std::collections::BTreeSet;

use heck::ToUpperCamelCase;
use proc_macro2::{TokenStream, TokenTree};

use super::template;

const LONGEST: usize = 40;

/// Names of devices, which no file can have on Windows, whatever its ending: nobody could check the repository out there.
const DEVICES: &[&str] = &["aux", "con", "nul", "prn"];
const NUMBERED_DEVICES: &[&str] = &["com", "lpt"];

/// A name in its spellings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    /// `my-bank`
    pub(crate) kebab: String,
    /// `my_bank`
    pub(crate) snake: String,
    /// `MY_BANK`
    pub(crate) upper: String,
    /// `MyBank`
    pub(crate) camel: String,
    /// `My Bank`
    pub(crate) title: String,
}

impl Name {
    /// Reads a name, or says why it cannot be one.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let refuse = |why: &str| Err(format!("`{text}` cannot be the name of a provider: {why}"));
        if text.is_empty() {
            return Err("the name is empty: `cargo xtask new-provider my-bank`".to_owned());
        }
        if let Some(other) = text.chars().find(|&character| !is_allowed(character)) {
            let why = format!("`{}` is none of a-z, 0-9 and `-`{}", other.escape_default(), suggestion(text));
            return refuse(&why);
        }
        if !text.starts_with(|first: char| first.is_ascii_lowercase()) {
            return refuse("it must begin with a letter, as its type in Rust does");
        }
        if text.contains("--") || text.ends_with('-') {
            return refuse("a `-` stands between two words");
        }
        if text.len() > LONGEST {
            return refuse(&format!("it has {} characters, and {LONGEST} is the most", text.len()));
        }
        if let Some(rest) = text.strip_prefix("provider-") {
            return refuse(&format!("the crate is called `provider-...` by itself; give `{rest}`"));
        }
        if is_device(text) {
            return refuse("it is a device on Windows, where no file can have this name; add a word");
        }
        let name = Self {
            kebab: text.to_owned(),
            snake: text.replace('-', "_"),
            upper: text.replace('-', "_").to_ascii_uppercase(),
            camel: text.to_upper_camel_case(),
            title: text.split('-').map(capitalised).collect::<Vec<_>>().join(" "),
        };
        let used = names_in_templates();
        if let Some(taken) = name.types().into_iter().find(|own| used.contains(own)) {
            return refuse(&format!("its type would be `{taken}`, which the code uses for something else; add a word"));
        }
        Ok(name)
    }

    /// The same for two names that differ in hyphens only: one would be mistaken for the other.
    pub(crate) fn letters(name: &str) -> String {
        name.replace('-', "")
    }

    fn types(&self) -> [String; 3] {
        ["", "Builder", "ErrorCode"].map(|ending| format!("{}{ending}", self.camel))
    }
}

fn is_allowed(character: char) -> bool {
    matches!(character, 'a'..='z' | '0'..='9' | '-')
}

/// What the person may have meant.
fn suggestion(text: &str) -> String {
    let words = text.split(|character: char| !character.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let guess = words.collect::<Vec<_>>().join("-").to_ascii_lowercase();
    // The guess has no other character, so this ends.
    Name::parse(&guess).map_or_else(|_| String::new(), |name| format!("; `{}` would do", name.kebab))
}

fn is_device(text: &str) -> bool {
    let without_digit = text.strip_suffix(|last: char| last.is_ascii_digit());
    DEVICES.contains(&text) || without_digit.is_some_and(|stem| NUMBERED_DEVICES.contains(&stem))
}

fn capitalised(word: &str) -> String {
    let mut characters = word.chars();
    characters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(characters).collect()
}

/// Every name that the templates use beside their own.
fn names_in_templates() -> BTreeSet<String> {
    // `async_trait` writes this one.
    let mut names = BTreeSet::from(["Box".to_owned()]);
    let sources = template::FILES.iter().filter(|(path, _)| path.ends_with(".rs"));
    let mut streams: Vec<TokenStream> = sources.filter_map(|(_, text)| text.parse().ok()).collect();
    while let Some(stream) = streams.pop() {
        for token in stream {
            match token {
                TokenTree::Ident(ident) => names.extend(Some(ident.to_string()).filter(|name| !name.starts_with("NewService"))),
                TokenTree::Group(group) => streams.push(group.stream()),
                _ => {}
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_its_spellings() {
        let cases = [
            ("satusehat", "satusehat", "SATUSEHAT", "Satusehat", "Satusehat"),
            ("my-bank", "my_bank", "MY_BANK", "MyBank", "My Bank"),
            ("b2b", "b2b", "B2B", "B2b", "B2b"),
            ("x", "x", "X", "X", "X"),
            ("bank-2", "bank_2", "BANK_2", "Bank2", "Bank 2"),
        ];
        for (kebab, snake, upper, camel, title) in cases {
            let name = Name::parse(kebab).unwrap();
            let spellings = [&name.kebab, &name.snake, &name.upper, &name.camel, &name.title];
            assert_eq!(spellings, [kebab, snake, upper, camel, title]);
        }
        assert!(Name::parse(&"x".repeat(LONGEST)).is_ok());
        for good in ["self-service", "con-artist", "community", "test", "core", "std", "type", "com10", "service"] {
            assert!(Name::parse(good).is_ok(), "{good}: {:?}", Name::parse(good));
        }
    }

    #[test]
    fn what_cannot_be_a_name_is_refused_with_the_reason() {
        let long = "x".repeat(LONGEST + 1);
        let cases = [
            ("", "is empty"),
            (" ", "is none of"),
            ("Bank", "`bank` would do"),
            ("my_bank", "`my-bank` would do"),
            ("my bank", "`my-bank` would do"),
            ("../x", "`.` is none of"),
            ("a/b", "`a-b` would do"),
            ("a\\b", "is none of"),
            ("a.b", "`a-b` would do"),
            ("bänk", "`\\u{e4}` is none of"),
            ("a\nb", "`\\n` is none of"),
            ("a\u{202e}b", "`\\u{202e}` is none of"),
            ("2fa", "begin with a letter"),
            ("-", "begin with a letter"),
            ("-a", "begin with a letter"),
            ("--root", "begin with a letter"),
            ("a-", "between two words"),
            ("a--b", "between two words"),
            (long.as_str(), "has 41 characters"),
            ("provider-bank", "give `bank`"),
            ("con", "a device on Windows"),
            ("nul", "a device on Windows"),
            ("com1", "a device on Windows"),
            ("self", "`Self`"),
            ("box", "`Box`"),
            ("string", "`String`"),
            ("option", "`Option`"),
            ("some", "`Some`"),
            ("token", "`Token`"),
            ("error", "`Error`"),
            ("config", "`Config`"),
            ("transport", "`Transport`"),
        ];
        for (name, why) in cases {
            let refusal = Name::parse(name).unwrap_err();
            assert!(refusal.contains(why), "{name:?}: {refusal}");
        }
    }
}
