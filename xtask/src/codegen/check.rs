//! Tables → enums. What is read here is trusted from here on, so every cell passes a check of its own.

use std::collections::HashMap;
use std::ops::Range;

use heck::ToUpperCamelCase;

use super::fault::Fault;
use super::page::{Cell, Feeds, Row, Table};

/// An enum of error codes, or of the services that answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Enum {
    Errors(Errors),
    Services(Services),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Errors {
    pub(crate) name: String,
    /// Whether every code has `xx` for the service's digits.
    pub(crate) has_placeholder: bool,
    pub(crate) codes: Vec<ErrorCode>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ErrorCode {
    pub(crate) code: String,
    pub(crate) anchor: String,
    pub(crate) http_status: u16,
    pub(crate) variant: String,
    pub(crate) message: String,
    pub(crate) meaning: String,
    pub(crate) arti: String,
    /// A variant of `ErrorKind`.
    pub(crate) kind: String,
    /// A variant of `Remedy`.
    pub(crate) remedy: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Services {
    pub(crate) name: String,
    pub(crate) services: Vec<Service>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Service {
    pub(crate) code: String,
    pub(crate) number: u8,
    pub(crate) variant: String,
    pub(crate) meaning: String,
    pub(crate) arti: String,
}

/// `ErrorKind` of token-core, in words.
pub(crate) const KINDS: &[&str] = &[
    "access denied",
    "blocked",
    "client refused",
    "clock skew",
    "configuration",
    "internal",
    "invalid response",
    "login required",
    "rate limited",
    "request refused",
    "server",
    "token refused",
    "transport",
];

/// `Remedy` of token-core, in words.
pub(crate) const REMEDIES: &[&str] =
    &["contact service", "correct clock", "fix configuration", "fix request", "log in again", "refresh", "retry", "wait"];

pub(crate) const ERROR_COLUMNS: &[&str] =
    &["code", "HTTP status", "name", "message", "meaning", "arti", "kind", "remedy", "source"];
/// The one column that may be left out: where a row comes from.
const OPTIONAL: &str = "source";
pub(crate) const SERVICE_COLUMNS: &[&str] = &["code", "name", "meaning", "arti"];

/// What stands in a cell that is still to be filled in.
pub(crate) const UNFILLED: &str = "?";

const LONGEST_CODE: usize = 64;
const LONGEST_NAME: usize = 100;
const LONGEST_TEXT: usize = 1_000;

/// Names that the generated file or Rust's prelude uses for something else.
const TAKEN: &[&str] = &[
    "Box",
    "Documented",
    "Err",
    "Error",
    "ErrorKind",
    "Infallible",
    "Language",
    "None",
    "Ok",
    "Option",
    "Remedy",
    "Result",
    "Some",
    "String",
    "Vec",
];

/// Makes the enums of one page's tables; what is wrong goes to `faults`.
pub(crate) fn enums(tables: &[Table], faults: &mut Vec<Fault>) -> Vec<Enum> {
    let mut enums = Vec::new();
    let mut names = Unique::new(
        "two tables for one enum",
        "feeds it already",
        "give each table an enum of its own, or make one table of them",
    );
    // Anchors are one for the whole page.
    let mut anchors =
        Unique::new("two codes with one anchor", "has it already", "links cannot tell them apart: give one of them another name");
    for table in tables {
        check_type_name(table, faults);
        names.add(&table.name, &table.name, &table.marker, faults);
        let columns = match table.feeds {
            Feeds::Errors => ERROR_COLUMNS,
            Feeds::Services => SERVICE_COLUMNS,
        };
        let columns = Columns::read(table, columns, faults);
        enums.push(match table.feeds {
            Feeds::Errors => Enum::Errors(errors(table, &columns, &mut anchors, faults)),
            Feeds::Services => Enum::Services(services(table, &columns, faults)),
        });
    }
    enums
}

/// The anchor that a code has on its page.
pub(crate) fn anchor(code: &str) -> String {
    let stays = |character: char| matches!(character, 'a'..='z' | '0'..='9' | '_' | '-');
    code.to_ascii_lowercase().chars().map(|character| if stays(character) { character } else { '-' }).collect()
}

/// Which cell of a row belongs to which column.
pub(crate) struct Columns(HashMap<&'static str, usize>);

impl Columns {
    /// What is wrong with the header goes to `faults`; a column that is missing has no cells.
    pub(crate) fn read(table: &Table, wanted: &[&'static str], faults: &mut Vec<Fault>) -> Self {
        let mut found: HashMap<&'static str, usize> = HashMap::new();
        let all = || wanted.join("` | `");
        let mut misspelt = Vec::new();
        for (index, cell) in table.header.iter().enumerate() {
            match wanted.iter().find(|name| name.eq_ignore_ascii_case(&cell.text)) {
                Some(name) if found.contains_key(name) => {
                    let title = format!("the column `{name}` stands here twice");
                    faults.push(Fault::new(&cell.span, title, "the second one", "take one of them out"));
                }
                Some(name) => {
                    found.insert(name, index);
                }
                None => {
                    let title = format!("an unknown column `{}`", cell.text);
                    let near = closest(&cell.text, wanted);
                    misspelt.extend(near);
                    let help = near.map_or_else(
                        || format!("the columns are `{}`", all()),
                        |name| format!("did you mean `{name}`? The columns are `{}`", all()),
                    );
                    faults.push(Fault::new(&cell.span, title, "not a column", help));
                }
            }
        }
        let is_missing = |name: &str| name != OPTIONAL && !found.contains_key(name) && !misspelt.contains(&name);
        for name in wanted.iter().filter(|name| is_missing(name)) {
            let title = format!("the column `{name}` is missing");
            let help = format!("add it to every row; the columns are `{}`", all());
            faults.push(Fault::new(&table.header_line, title, format!("no `{name}` among these"), help));
        }
        Self(found)
    }

    /// The cell of a column; `None` where the column or the row is not whole, or the cell's form is a fault already.
    pub(crate) fn of<'a>(&self, row: &'a Row, column: &str) -> Option<&'a Cell> {
        row.cells.get(*self.0.get(column)?).filter(|cell| !cell.is_faulty)
    }
}

fn check_type_name(table: &Table, faults: &mut Vec<Fault>) {
    let name = &table.name;
    let is_camel =
        name.starts_with(|first: char| first.is_ascii_uppercase()) && name.chars().all(|other| other.is_ascii_alphanumeric());
    if !is_camel || name.len() > LONGEST_NAME || TAKEN.contains(&name.as_str()) || syn::parse_str::<syn::Ident>(name).is_err() {
        let help = "take a name like `BankErrorCode`: ASCII letters and digits, a capital first, and none that Rust uses";
        faults.push(Fault::new(&table.marker, format!("`{name}` cannot be the name of an enum"), "named here", help));
    }
}

fn errors(table: &Table, columns: &Columns, anchors: &mut Unique, faults: &mut Vec<Fault>) -> Errors {
    let mut codes = Unique::new("a code that stands in the table twice", "stands here already", "take one of the rows out");
    let mut variants =
        Unique::new("two names that become one variant", "becomes it already", "give one of the rows another name");
    variants.reserve("Unknown");
    let is_placed = |row: &Row| columns.of(row, "code").is_some_and(|cell| has_placeholder(&cell.text));
    let placeholder = table.rows.iter().any(is_placed);
    let mut read = Vec::new();
    for row in &table.rows {
        let known = faults.len();
        let code = code(columns.of(row, "code"), placeholder, faults);
        if let Some((code, cell)) = &code {
            let known = faults.len();
            codes.add(&code.to_ascii_lowercase(), code, &cell.span, faults);
            if faults.len() == known {
                anchors.add(&anchor(code), &anchor(code), &cell.span, faults);
            }
        }
        no_anchor(row, columns.of(row, "code"), faults);
        let variant = variant(columns.of(row, "name"), &mut variants, faults);
        let http_status = http_status(columns.of(row, "HTTP status"), faults);
        if let (Some((code, _)), Some(cell)) = (&code, columns.of(row, "HTTP status"))
            && placeholder
            && has_placeholder(code)
            && http_status != 0
            && !code.starts_with(&cell.text)
        {
            let title = format!("the status {http_status} is not that of `{code}`");
            faults.push(Fault::new(
                &cell.span,
                title,
                "the code begins with another",
                "write the first three digits of the code",
            ));
        }
        let code = ErrorCode {
            anchor: code.as_ref().map(|(code, _)| anchor(code)).unwrap_or_default(),
            code: code.map(|(code, _)| code).unwrap_or_default(),
            http_status,
            variant,
            message: text(columns.of(row, "message"), "message", true, faults),
            meaning: text(columns.of(row, "meaning"), "meaning", false, faults),
            arti: text(columns.of(row, "arti"), "arti", false, faults),
            kind: word(columns.of(row, "kind"), "kind", KINDS, faults),
            remedy: word(columns.of(row, "remedy"), "remedy", REMEDIES, faults),
        };
        if let Some(cell) = columns.of(row, OPTIONAL) {
            text(Some(cell), OPTIONAL, false, faults);
        }
        if faults.len() == known {
            read.push(code);
        }
    }
    Errors { name: table.name.clone(), has_placeholder: placeholder, codes: read }
}

fn services(table: &Table, columns: &Columns, faults: &mut Vec<Fault>) -> Services {
    let mut codes = Unique::new("a code that stands in the table twice", "stands here already", "take one of the rows out");
    let mut variants =
        Unique::new("two names that become one variant", "becomes it already", "give one of the rows another name");
    variants.reserve("Other");
    let mut read = Vec::new();
    for row in &table.rows {
        let known = faults.len();
        no_anchor(row, None, faults);
        let cell = columns.of(row, "code");
        let number = cell.and_then(|cell| two_digits(&cell.text));
        let code = cell.map(|cell| cell.text.clone()).unwrap_or_default();
        match (number, cell) {
            (None, Some(cell)) => {
                let title = format!("`{}` is no service code", cell.text);
                faults.push(Fault::new(&cell.span, title, "two digits are wanted", "write it as `` `01` ``"));
            }
            (_, Some(cell)) => codes.add(&code, &code, &cell.span, faults),
            _ => {}
        }
        let service = Service {
            code,
            number: number.unwrap_or_default(),
            variant: variant(columns.of(row, "name"), &mut variants, faults),
            meaning: text(columns.of(row, "meaning"), "meaning", false, faults),
            arti: text(columns.of(row, "arti"), "arti", false, faults),
        };
        if faults.len() == known {
            read.push(service);
        }
    }
    Services { name: table.name.clone(), services: read }
}

/// The code, and the cell that it stands in.
fn code<'a>(cell: Option<&'a Cell>, placeholder: bool, faults: &mut Vec<Fault>) -> Option<(String, &'a Cell)> {
    let cell = cell?;
    let code = &cell.text;
    if is_unfilled(cell, "code", "the code as the service writes it", faults) {
        return None;
    }
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'/' | b'-');
    if code.is_empty() || code.len() > LONGEST_CODE || !code.bytes().all(is_plain) {
        let help = format!("a code is 1 to {LONGEST_CODE} of the signs A-Z a-z 0-9 . _ / -");
        faults.push(Fault::new(&cell.span, format!("`{code}` is no code"), "stands in the column `code`", help));
        return None;
    }
    if placeholder != has_placeholder(code) {
        let help = "in one table every code has the form `400xx6505`, or none has";
        faults.push(Fault::new(&cell.span, "a code of another form than the rest", "not three digits, `xx`, digits", help));
    } else if is_nearly_placed(code) && !placeholder {
        let help = "the service's two digits are written `xx` and all other signs are digits, as in `400xx6505`";
        faults.push(Fault::new(
            &cell.span,
            format!("`{code}` has a placeholder that is not read"),
            "not three digits, `xx`, digits",
            help,
        ));
    }
    let wanted = anchor(code);
    if cell.anchor.as_deref() != Some(&wanted) {
        let (title, label) = match &cell.anchor {
            None => (format!("the code `{code}` has no anchor"), "nothing to link to"),
            Some(_) => (format!("the anchor is not that of `{code}`"), "links would miss it"),
        };
        let help = format!("write ``<a id=\"{wanted}\"></a>`{code}` ``: error messages link there");
        faults.push(Fault::new(&cell.span, title, label, help));
    }
    Some((code.clone(), cell))
}

/// `400xx6505`: status, two digits of any service, case.
fn has_placeholder(code: &str) -> bool {
    let parts = code.split_once("xx");
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    parts.is_some_and(|(status, case)| status.len() == 3 && !case.is_empty() && is_digits(status) && is_digits(case))
}

/// An anchor belongs to an error's code and to nothing else.
fn no_anchor(row: &Row, code: Option<&Cell>, faults: &mut Vec<Fault>) {
    for cell in row.cells.iter().filter(|cell| cell.anchor.is_some() && code.is_none_or(|code| code.span != cell.span)) {
        faults.push(Fault::new(&cell.span, "an anchor in another cell than the code's", "no link leads here", "take it out"));
    }
}

/// `400XX6505`, `400xx65O5`
fn is_nearly_placed(code: &str) -> bool {
    let status = code.get(..3).unwrap_or_default();
    let is_placed = code.get(3..5).is_some_and(|service| service.eq_ignore_ascii_case("xx"));
    is_placed && status.bytes().all(|byte| byte.is_ascii_digit())
}

fn two_digits(code: &str) -> Option<u8> {
    let is_code = code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_digit());
    code.parse().ok().filter(|_| is_code)
}

fn http_status(cell: Option<&Cell>, faults: &mut Vec<Fault>) -> u16 {
    let Some(cell) = cell else { return 0 };
    if is_unfilled(cell, "HTTP status", "the status that comes with the code", faults) {
        return 0;
    }
    let is_status = cell.text.len() == 3 && cell.text.bytes().all(|byte| byte.is_ascii_digit());
    let status = cell.text.parse().ok().filter(|status| is_status && (100..600).contains(status));
    status.unwrap_or_else(|| {
        let title = format!("`{}` is no HTTP status", cell.text);
        faults.push(Fault::new(&cell.span, title, "not 100 to 599", "write the three digits of the status, as `401`"));
        0
    })
}

/// The variant that a name becomes.
fn variant(cell: Option<&Cell>, variants: &mut Unique, faults: &mut Vec<Fault>) -> String {
    let Some(cell) = cell else { return String::new() };
    let name = &cell.text;
    if is_unfilled(cell, "name", "the service's name for it, or one of your own", faults) {
        return String::new();
    }
    let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !is_name || name.len() > LONGEST_NAME {
        let help = format!("a name is a letter, then letters, digits and `_`, all ASCII, at most {LONGEST_NAME} in all");
        faults.push(Fault::new(&cell.span, format!("`{name}` is no identifier"), "cannot be a name", help));
        return String::new();
    }
    let variant = variant_of(name);
    if [name.as_str(), &variant].iter().any(|name| syn::parse_str::<syn::Ident>(name).is_err()) {
        let help = "add a word that says what kind it is of, as in `TypeUnknown`";
        faults.push(Fault::new(&cell.span, format!("`{name}` is a keyword of Rust"), "cannot be a name", help));
        return String::new();
    }
    variants.add(&variant.to_ascii_lowercase(), &variant, &cell.span, faults);
    variant
}

/// `ErrCreateJWTToken` → `CreateJwtToken`, `invalid_client` → `InvalidClient`
fn variant_of(name: &str) -> String {
    let camel = name.to_upper_camel_case();
    let rest = camel.strip_prefix("Err").filter(|rest| rest.starts_with(|first: char| first.is_ascii_uppercase()));
    rest.map(str::to_owned).unwrap_or(camel)
}

fn text(cell: Option<&Cell>, column: &str, may_be_empty: bool, faults: &mut Vec<Fault>) -> String {
    let Some(cell) = cell else { return String::new() };
    if is_unfilled(cell, column, "it in a few words", faults) {
        return String::new();
    }
    if cell.text.is_empty() && !may_be_empty {
        let help = "say it in a few words";
        faults.push(Fault::new(&cell.span, format!("nothing in the column `{column}`"), "empty", help));
    }
    if cell.text.chars().count() > LONGEST_TEXT {
        let title = format!("more than {LONGEST_TEXT} characters in the column `{column}`");
        faults.push(Fault::new(&cell.span, title, "too long", "say it shorter"));
    }
    cell.text.clone()
}

/// One of the words of a list, as a variant.
fn word(cell: Option<&Cell>, column: &str, words: &[&str], faults: &mut Vec<Fault>) -> String {
    let Some(cell) = cell else { return String::new() };
    let all = words.join("`, `");
    if is_unfilled(cell, column, &format!("one of `{all}`"), faults) {
        return String::new();
    }
    match words.iter().find(|word| **word == cell.text) {
        Some(word) => word.to_upper_camel_case(),
        None => {
            let help = match closest(&cell.text, words) {
                Some(word) => format!("did you mean `{word}`? It is one of `{all}`"),
                None => format!("it is one of `{all}`"),
            };
            faults.push(Fault::new(&cell.span, format!("unknown {column} `{}`", cell.text), format!("no {column}"), help));
            String::new()
        }
    }
}

fn is_unfilled(cell: &Cell, column: &str, what: &str, faults: &mut Vec<Fault>) -> bool {
    let is_unfilled = cell.text == UNFILLED;
    if is_unfilled {
        let title = format!("the column `{column}` is not filled in yet");
        faults.push(Fault::new(&cell.span, title, "still to be written", format!("write {what}")));
    }
    is_unfilled
}

fn closest<'a>(text: &str, words: &[&'a str]) -> Option<&'a str> {
    // A long text is near to no word, and measuring it takes time.
    if text.len() > LONGEST_CODE {
        return None;
    }
    let text = text.to_ascii_lowercase();
    let near = words.iter().map(|word| (strsim::jaro_winkler(&text, &word.to_ascii_lowercase()), *word));
    near.filter(|(near, _)| *near > 0.8).max_by(|one, other| one.0.total_cmp(&other.0)).map(|(_, word)| word)
}

/// Tells what stands somewhere twice.
struct Unique {
    seen: HashMap<String, Option<Range<usize>>>,
    title: &'static str,
    earlier: &'static str,
    help: &'static str,
}

impl Unique {
    fn new(title: &'static str, earlier: &'static str, help: &'static str) -> Self {
        Self { seen: HashMap::new(), title, earlier, help }
    }

    /// A name that the generated code needs itself.
    fn reserve(&mut self, name: &str) {
        self.seen.insert(name.to_ascii_lowercase(), None);
    }

    /// `key` is what must be unique, `shown` what people call it.
    fn add(&mut self, key: &str, shown: &str, span: &Range<usize>, faults: &mut Vec<Fault>) {
        match self.seen.get(key) {
            None => {
                self.seen.insert(key.to_owned(), Some(span.clone()));
            }
            Some(Some(earlier)) => {
                let fault = Fault::new(span, format!("{}: `{shown}`", self.title), "and here again", self.help);
                faults.push(fault.with_earlier(earlier, self.earlier));
            }
            Some(None) => {
                let title = format!("the variant `{shown}` is taken");
                faults.push(Fault::new(span, title, "stands for what is not documented", "give the row another name"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_becomes_a_variant() {
        for (name, variant) in [
            ("ErrCreateJWTToken", "CreateJwtToken"),
            ("NotFoundContextClientId", "NotFoundContextClientId"),
            ("invalid_client", "InvalidClient"),
            ("NotB2b", "NotB2b"),
            ("Err", "Err"),
            ("Errand", "Errand"),
            ("Err4", "Err4"),
            ("HTTP_2", "Http2"),
        ] {
            assert_eq!(variant_of(name), variant);
        }
    }

    #[test]
    fn an_anchor_is_made_of_its_code() {
        for (code, id) in [("ERROAUTH4024", "erroauth4024"), ("oauth.v2.Bad/x", "oauth-v2-bad-x"), ("a_b-c", "a_b-c")] {
            assert_eq!(anchor(code), id);
        }
    }

    /// The words here, and the enums that the generated code names, but for what no code of a service can mean.
    #[test]
    fn the_words_are_those_of_the_core() {
        let source = include_str!("../../../crates/token-core/src/error.rs");
        let file = syn::parse_file(source).unwrap();
        for (name, words, own) in
            [("ErrorKind", KINDS, &["Closed", "Pending", "Store", "Unauthorizable"][..]), ("Remedy", REMEDIES, &["FixProgram"])]
        {
            let is_it = |item: &&syn::Item| matches!(item, syn::Item::Enum(item) if item.ident == name);
            let Some(syn::Item::Enum(item)) = file.items.iter().find(is_it) else { panic!("no enum {name}") };
            let variants = item.variants.iter().map(|variant| variant.ident.to_string());
            let variants: Vec<String> = variants.filter(|variant| !own.contains(&variant.as_str())).collect();
            let words: Vec<String> = words.iter().map(|word| word.to_upper_camel_case()).collect();
            assert_eq!(variants, words, "{name}");
        }
    }
}
