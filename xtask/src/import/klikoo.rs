//! Klikoo's page "APIs Response Code": rows of a code and its message.

use super::document::{Document, unmarked};
use super::prakerja::REASONS;
use super::rows::{Found, Rows};

pub(super) const LOOKED_FOR: &str = "looked for rows that begin with a code such as `400xx6505` or `401016500` and have a message after it: \
    the page \"APIs Response Code\" has them";

/// Most digits of a case; it has four.
const MOST_DIGITS: usize = 12;
/// Fewest digits of a code, without those of the service.
const FEWEST_DIGITS: usize = 4;
/// Most codes without a message.
const MOST_UNREAD: usize = 1_000;
/// A message of more bytes is refused, and need not be made longer.
const LONGEST_MESSAGE: usize = 20_000;
/// Most digits of a row's number before its code.
const MOST_OF_A_NUMBER: usize = 4;
/// Most cells of a row that are looked at.
const MOST_CELLS: usize = 16;
/// A longer cell is neither a code nor a status nor a header.
const LONGEST_LABEL: usize = 80;

/// Reads the rows, and tells of codes without a message. The codes have `xx` in place of the service, as a case means the same under every service.
pub(super) fn read(document: &Document, unread: &mut Vec<String>) -> Result<Vec<Found>, String> {
    let mut reader = Reader { rows: Rows::default(), unread, open: None, column: None };
    // Beside codes with `xx`, digits at the start of a line are an address or a phone number.
    let has_xx = has_xx(&document.text);
    for line in document.text.lines() {
        reader.line(line, has_xx)?;
    }
    reader.close()?;
    reader.rows.all(LOOKED_FOR)
}

/// A code, and what stands after it.
#[derive(Clone, Copy)]
struct Code<'a> {
    status: &'a str,
    /// The digits of the case.
    case: &'a str,
    has_xx: bool,
    rest: &'a str,
}

/// A row whose message may go on, or is yet to come.
struct Open {
    status: u16,
    code: String,
    message: String,
}

struct Reader<'a> {
    rows: Rows,
    unread: &'a mut Vec<String>,
    open: Option<Open>,
    /// Which column is headed "Message", in the table that is read.
    column: Option<usize>,
}

impl Reader<'_> {
    fn line(&mut self, line: &str, has_xx: bool) -> Result<(), String> {
        if line.trim().is_empty() {
            // The message of a code that stands alone may come after a blank line.
            return if self.open.as_ref().is_some_and(|open| !open.message.is_empty()) { self.close() } else { Ok(()) };
        }
        // Most lines of a page are too short of digits for a code, and nothing else.
        let has_digits = line.bytes().filter(u8::is_ascii_digit).nth(FEWEST_DIGITS - 1).is_some();
        if !has_digits && self.open.is_none() && !line.contains(['|', '\t']) {
            self.column = None;
            return Ok(());
        }
        let cells = cells(line);
        if let Some(cells) = &cells
            && let Some((code, next)) = code_cell(cells)
        {
            let message = message_cell(cells, next, self.column).unwrap_or_default();
            let message = if is_piped(line) || !line.contains('\t') { unmarked(message) } else { unquoted(message).to_owned() };
            self.open(code, message)?;
            return self.close();
        }
        let is_table = is_piped(line) || line.contains('\t');
        let words = match cells.as_ref().filter(|_| is_table).and_then(|cells| cells.split_last()) {
            // What a list has before a tab, or the number of the row.
            Some((last, before)) => before.iter().all(|cell| is_number(cell.trim_matches(is_mark))).then_some(*last),
            None => Some(line),
        };
        if let Some((code, message)) = words.and_then(plain).filter(|(code, _)| code.has_xx || !has_xx) {
            return self.open(code, message.to_owned());
        }
        if let Some(code) = code(line.trim_start_matches(|sign| is_mark(sign) || sign == '~')).filter(|code| code.has_xx) {
            self.open(code, String::new())?;
            return self.close();
        }
        match &cells {
            Some(cells) => self.column = cells.iter().position(|cell| is_message_header(cell)).or(self.column),
            None => self.column = None,
        }
        self.go_on(line.trim(), cells.is_some())
    }

    fn open(&mut self, code: Code<'_>, message: String) -> Result<(), String> {
        self.close()?;
        // A success is no error, and digits without a message may be anything.
        if !code.status.starts_with('2') && (code.has_xx || !message.trim().is_empty()) {
            let status = code.status.parse().unwrap_or_default();
            self.open = Some(Open { status, code: format!("{}xx{}", code.status, code.case), message });
        }
        Ok(())
    }

    /// Gives the open row a line without a code.
    fn go_on(&mut self, line: &str, has_cells: bool) -> Result<(), String> {
        let Some(open) = self.open.as_mut().filter(|open| open.message.len() < LONGEST_MESSAGE) else { return self.close() };
        let goes_on = |first: char| first.is_lowercase() || first == '(';
        if open.message.is_empty() && is_status(line) {
            return Ok(());
        }
        if open.message.is_empty() && !has_cells && line.starts_with(begins_message) {
            line.clone_into(&mut open.message);
        } else if !open.message.is_empty() && !has_cells && line.starts_with(goes_on) && !has_code(line) {
            // The rest of a line that was wrapped.
            open.message.push(' ');
            open.message.push_str(line);
        } else {
            return self.close();
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), String> {
        let Some(open) = self.open.take() else { return Ok(()) };
        if open.message.trim().is_empty() {
            self.unread.push(open.code);
            let is_much = self.unread.len() > MOST_UNREAD;
            return if is_much {
                Err(format!("more than {MOST_UNREAD} codes without a message: is this the right page?"))
            } else {
                Ok(())
            };
        }
        self.rows.add(Found { code: Some(open.code), status: Some(open.status), name: None, message: Some(open.message) })
    }
}

/// The cells of a line: between pipes that no backslash escapes, or between tabs. `None` if it has neither.
fn cells(line: &str) -> Option<Vec<&str>> {
    if !is_piped(line) && line.contains('\t') {
        return Some(line.split('\t').take(MOST_CELLS).map(str::trim).collect());
    }
    let mut rest = line.trim_start_matches(|quote: char| quote.is_whitespace() || quote == '>').trim_end();
    if !rest.contains('|') {
        return None;
    }
    rest = rest.strip_prefix('|').unwrap_or(rest);
    let mut cells = Vec::new();
    while !rest.is_empty() && cells.len() < MOST_CELLS {
        let cell = until_pipe(rest);
        rest = rest.get(cell.len() + 1..).unwrap_or_default();
        cells.push(cell.trim());
    }
    Some(cells)
}

fn is_piped(line: &str) -> bool {
    line.trim_start_matches(|quote: char| quote.is_whitespace() || quote == '>').starts_with('|')
}

/// The first cell that is a code, or three that are one together, and the place of the next cell.
fn code_cell<'a>(cells: &[&'a str]) -> Option<(Code<'a>, usize)> {
    for (at, cell) in cells.iter().enumerate() {
        if let Some(code) = whole(cell) {
            // Digits are a code at the start of a row, or after its number or its status.
            let is_before = |cell: &&str| is_number(cell) || is_status(cell);
            return (code.has_xx || cells.iter().take(at).all(is_before)).then_some((code, at + 1));
        }
        let [Some(status), Some(service), Some(case)] = [Some(cell), cells.get(at + 1), cells.get(at + 2)] else { continue };
        if is_label(case) && service.trim_matches(is_mark).eq_ignore_ascii_case("xx") {
            let (status, case) = (status.trim_matches(is_mark), case.trim_matches(is_mark));
            let is_case = (1..=MOST_DIGITS).contains(&case.len()) && case.bytes().all(|byte| byte.is_ascii_digit());
            if is_case && digits(status, 3).is_some_and(|(_, rest)| rest.is_empty()) && status.starts_with(['2', '3', '4', '5']) {
                return Some((Code { status, case, has_xx: true, rest: "" }, at + 3));
            }
        }
    }
    None
}

/// The cell of the message: the one below "Message", or else the first that is no status.
fn message_cell<'a>(cells: &[&'a str], next: usize, column: Option<usize>) -> Option<&'a str> {
    let below = column.filter(|column| *column >= next).and_then(|column| cells.get(column));
    below.or_else(|| cells.iter().skip(next).find(|cell| !is_status(cell))).copied()
}

fn is_message_header(cell: &str) -> bool {
    let mut words = cell.split(|sign: char| !sign.is_alphanumeric()).take(4);
    is_label(cell) && words.any(|word| word.eq_ignore_ascii_case("message") || word.eq_ignore_ascii_case("pesan"))
}

/// `400`, `HTTP 400`, `400 Bad Request`
fn is_status(cell: &str) -> bool {
    let cell = cell.trim_matches(is_mark);
    let cell = if is_label(cell) { cell } else { return false };
    let number = cell.get(..5).filter(|http| http.eq_ignore_ascii_case("http ")).and_then(|http| cell.get(http.len()..));
    let Some((status, reason)) = digits(number.unwrap_or(cell), 3) else { return false };
    let reason = reason.trim_matches(|sign: char| !sign.is_alphanumeric());
    status.starts_with(['1', '2', '3', '4', '5'])
        && (reason.is_empty()
            || reason.eq_ignore_ascii_case("OK")
            || REASONS.iter().any(|known| known.eq_ignore_ascii_case(reason)))
}

/// Nothing, `1` or `1.`
fn is_number(cell: &str) -> bool {
    cell.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

/// The code that a cell is, with its marks and the number of its row.
fn whole(cell: &str) -> Option<Code<'_>> {
    let cell = cell.trim_matches(is_mark);
    let found = is_label(cell).then(|| code(cell).or_else(|| code(after_number(cell)?)))??;
    after_marks(found.rest).trim_matches(|sign| is_separator(sign) || is_mark(sign)).is_empty().then_some(found)
}

/// The code that a line of no table begins with, and what stands after it: the message, or nothing.
fn plain(line: &str) -> Option<(Code<'_>, &str)> {
    let start = line.trim_start_matches(is_mark);
    let is_quoted = line.get(..line.len() - start.len()).is_some_and(|marks| marks.ends_with('"'));
    let found = code(start).or_else(|| code(after_number(start)?).filter(|code| code.has_xx))?;
    let rest = after_marks(found.rest);
    let rest = rest.strip_prefix('"').filter(|_| is_quoted).unwrap_or(rest);
    let separated = rest.trim_start_matches(is_separator);
    if found.has_xx && (rest.is_empty() || separated.len() < rest.len()) {
        let message = after_marks(separated.trim_start());
        let message = message
            .strip_prefix('"')
            .filter(|_| is_quoted)
            .map_or(message, |inside| inside.split('"').next().unwrap_or_default());
        return (message.is_empty() || message.starts_with(begins_message)).then_some((found, unquoted(message)));
    }
    // The case has four digits, and the next digit is the message's.
    let (case, more) = digits(found.case, 4)?;
    let glued = line.len() - found.rest.len() - more.len();
    let message = if more.is_empty() { rest } else { line.get(glued..).unwrap_or_default() };
    // A sign would explain an example: `401010001 → ...`.
    message.starts_with(begins_message).then_some((Code { case, ..found }, unquoted(message)))
}

/// What stands after the number of a row and a blank: `1. `
fn after_number(text: &str) -> Option<&str> {
    let count = text.bytes().take(MOST_OF_A_NUMBER).take_while(u8::is_ascii_digit).count();
    let rest = text.get(count..).filter(|_| count > 0)?;
    let rest = rest.strip_prefix(['.', ')']).unwrap_or(rest);
    rest.starts_with(char::is_whitespace).then(|| rest.trim_start_matches(is_mark))
}

/// What stands after the marks that end a code, and after the target of a link.
fn after_marks(text: &str) -> &str {
    let is_end = |mark: char| mark.is_whitespace() || matches!(mark, '`' | '*' | '_');
    let text = text.trim_start_matches(is_end);
    text.strip_prefix("](").and_then(|link| link.split_once(')')).map_or(text, |(_, rest)| rest.trim_start_matches(is_end))
}

/// A message without the quotation marks that a page has put around all of it.
fn unquoted(message: &str) -> &str {
    let message = message.trim_matches(|mark: char| mark.is_whitespace() || mark == '`');
    let inside = message.strip_prefix('\u{201C}').and_then(|message| message.strip_suffix('\u{201D}'));
    inside.filter(|inside| !inside.contains('\u{201D}')).unwrap_or(message)
}

fn begins_message(first: char) -> bool {
    first.is_alphanumeric() || matches!(first, '(' | '"' | '\'' | '[' | '\u{201C}')
}

/// The code that a text begins with. With `xx` its case has all the digits that follow, without it four.
fn code(text: &str) -> Option<Code<'_>> {
    let (status, after) = digits(text, 3)?;
    if !status.starts_with(['2', '3', '4', '5']) {
        return None;
    }
    let rest = after.trim_start_matches(is_blank);
    if let Some((service, rest)) = rest.split_at_checked(2)
        && service.eq_ignore_ascii_case("xx")
    {
        let rest = rest.trim_start_matches(is_blank);
        let count = rest.bytes().take(MOST_DIGITS).take_while(u8::is_ascii_digit).count();
        let (case, rest) = digits(rest, count).filter(|_| count > 0)?;
        return Some(Code { status, case, has_xx: true, rest });
    }
    let with_service = digits(rest, 2).and_then(|(_, rest)| digits(rest.trim_start_matches(is_blank), 4));
    let without = || digits(rest, 4).filter(|_| rest.len() < after.len());
    // One digit more, and it is another number.
    let ends = |(_, rest): &(&str, &str)| !rest.starts_with(|next: char| next.is_ascii_digit());
    let (case, rest) = with_service.filter(ends).or_else(|| without().filter(ends))?;
    Some(Code { status, case, has_xx: false, rest })
}

/// Whether a page has a code such as `400xx6505`.
fn has_xx(text: &str) -> bool {
    let is_code = |bytes: &[u8]| match bytes {
        [b'2'..=b'5', one, two, b'x' | b'X', b'x' | b'X', next] => [one, two, next].iter().all(|byte| byte.is_ascii_digit()),
        _ => false,
    };
    text.as_bytes().windows(6).any(is_code)
}

/// Whether a code stands anywhere in a line.
fn has_code(line: &str) -> bool {
    has_xx(line) || line.split_whitespace().any(|word| code(word).is_some())
}

/// So many digits, and what comes after them.
fn digits(text: &str, count: usize) -> Option<(&str, &str)> {
    let (digits, rest) = text.split_at_checked(count)?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then_some((digits, rest))
}

fn is_label(cell: &str) -> bool {
    cell.len() <= LONGEST_LABEL
}

fn is_blank(character: char) -> bool {
    character.is_whitespace() && character != '\t'
}

/// What a table, a list, a quotation, a link or emphasis begins with, a bullet or a wide blank.
fn is_mark(sign: char) -> bool {
    sign.is_whitespace()
        || matches!(sign, '|' | '-' | '*' | '`' | '_' | '>' | '#' | '+' | '"' | '[')
        || (!sign.is_ascii() && !sign.is_alphanumeric())
}

fn is_separator(sign: char) -> bool {
    matches!(sign, ':' | '-' | '=' | ';' | ',' | '\u{2013}' | '\u{2014}') || sign.is_whitespace()
}

/// What stands before the first pipe that no backslash escapes.
fn until_pipe(text: &str) -> &str {
    let mut is_escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'\\' => is_escaped = !is_escaped,
            b'|' if !is_escaped => return text.get(..at).unwrap_or_default(),
            _ => is_escaped = false,
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<(String, u16, String)> {
        let document = Document { text: text.to_owned(), is_markdown: true };
        let found = read(&document, &mut Vec::new()).unwrap_or_default();
        found.into_iter().map(|row| (row.code.unwrap(), row.status.unwrap(), row.message.unwrap())).collect()
    }

    #[test]
    fn a_row_is_read_in_every_layout() {
        let cases = [
            ("| 400xx6505 | Waktu tidak sesuai |", "400xx6505", "Waktu tidak sesuai"),
            ("|400xx6505|Waktu tidak sesuai|a third cell|", "400xx6505", "Waktu tidak sesuai"),
            ("400xx6505 | Waktu tidak sesuai", "400xx6505", "Waktu tidak sesuai"),
            ("  | `400XX6505` | **Waktu** tidak\\_sesuai |", "400xx6505", "Waktu tidak_sesuai"),
            ("| 401016500 | a \\| b |", "401xx6500", "a | b"),
            ("| 401 01 6500 | Token &amp; kunci |", "401xx6500", "Token & kunci"),
            ("| 401 6500 | Token tidak sesuai |", "401xx6500", "Token tidak sesuai"),
            ("| 404xx700123 | Kasus panjang |", "404xx700123", "Kasus panjang"),
            ("400xx6505Waktu tidak sesuai", "400xx6505", "Waktu tidak sesuai"),
            ("400xx6505 Waktu tidak sesuai", "400xx6505", "Waktu tidak sesuai"),
            ("400 xx 6505 Waktu tidak sesuai", "400xx6505", "Waktu tidak sesuai"),
            ("400xx65055 menit, lalu (lagi). Selesai.", "400xx6505", "5 menit, lalu (lagi). Selesai."),
            ("401016500Token tidak sesuai", "401xx6500", "Token tidak sesuai"),
            ("- `400xx6505` Waktu", "400xx6505", "Waktu"),
            ("400xx6505Pilih A | B", "400xx6505", "Pilih A | B"),
            ("400xx6505\tWaktu tidak sesuai", "400xx6505", "Waktu tidak sesuai"),
            (" 400xx6505 \t Waktu \tdescription", "400xx6505", "Waktu"),
            ("\u{A0}400xx6505\u{A0}Waktu\u{A0}tidak sesuai", "400xx6505", "Waktu tidak sesuai"),
            // A status between the two.
            ("| 400xx6505 | 400 | Waktu |", "400xx6505", "Waktu"),
            ("400xx6505\tHTTP 400\tWaktu", "400xx6505", "Waktu"),
            ("| 400xx6505 | 400 Bad Request | Waktu |", "400xx6505", "Waktu"),
            ("| 400xx6505 | 400 kali gagal | x |", "400xx6505", "400 kali gagal"),
            ("| Kode | Arti | Pesan |\n|---|---|---|\n| 400xx6505 | Jam | Waktu |", "400xx6505", "Waktu"),
            ("Code\tHTTP Status\tInfo\tResponse Message\n\n400xx6505\t400\tJam\tWaktu", "400xx6505", "Waktu"),
            // Columns before the code.
            ("| 1 | 400xx6505 | Waktu |", "400xx6505", "Waktu"),
            ("1\t400xx6505\tWaktu", "400xx6505", "Waktu"),
            ("1\t400016505\tWaktu", "400xx6505", "Waktu"),
            ("| 400 | 400xx6505 | Waktu |", "400xx6505", "Waktu"),
            ("| Auth | 400xx6505 | Waktu |", "400xx6505", "Waktu"),
            ("| 400 | xx | 6505 | Waktu |", "400xx6505", "Waktu"),
            ("1. 400xx6505 Waktu", "400xx6505", "Waktu"),
            ("1) **400xx6505** Waktu", "400xx6505", "Waktu"),
            ("12 400xx6505Waktu", "400xx6505", "Waktu"),
            ("  \u{2022}\t400xx6505Waktu", "400xx6505", "Waktu"),
            // Separators and marks.
            ("400xx6505: Waktu", "400xx6505", "Waktu"),
            ("400xx6505 - Waktu", "400xx6505", "Waktu"),
            ("400xx6505 \u{2013} Waktu", "400xx6505", "Waktu"),
            ("400xx6505\u{2014}Waktu", "400xx6505", "Waktu"),
            ("400xx6505 = Waktu", "400xx6505", "Waktu"),
            ("400xx6505;Waktu", "400xx6505", "Waktu"),
            ("400xx6505, Waktu", "400xx6505", "Waktu"),
            ("\"400xx6505\",\"Waktu\"", "400xx6505", "Waktu"),
            ("__400xx6505__ Waktu", "400xx6505", "Waktu"),
            ("- [400xx6505](#x) Waktu", "400xx6505", "Waktu"),
            ("| [400xx6505](#x) | Waktu |", "400xx6505", "Waktu"),
            ("> | 400xx6505 | Waktu |", "400xx6505", "Waktu"),
            ("| 400xx6505: | Waktu |", "400xx6505", "Waktu"),
            ("| 400xx6505 - Waktu |", "400xx6505", "Waktu"),
            // More lines than one.
            ("400xx6505\nWaktu\n", "400xx6505", "Waktu"),
            ("400xx6505\n\nWaktu\n", "400xx6505", "Waktu"),
            ("400xx6505\n400 Bad Request\nWaktu\n", "400xx6505", "Waktu"),
            ("400xx6505Waktu tidak\nsesuai\n(lihat\njam)\nSesudah", "400xx6505", "Waktu tidak sesuai (lihat jam)"),
            ("400xx6505Waktu\n\nsesudah", "400xx6505", "Waktu"),
            ("400xx6505Waktu\nsebagai 400xx6505 x\n", "400xx6505", "Waktu"),
        ];
        for (line, code, message) in cases {
            let wanted = (code.to_owned(), code.get(..3).unwrap().parse().unwrap(), message.to_owned());
            assert_eq!(rows(&format!("before\n{line}\nAfter")), [wanted], "{line}");
        }
    }

    #[test]
    fn what_is_no_row_of_an_error_is_left_out() {
        let others = [
            "Response CodeResponse Message",
            "| Response Code | Response Message |",
            "|---|---|",
            "00Unknown",
            "| 01 | Auth |",
            "01\tAuth",
            "200xx2000Sukses",
            "| 201012001 | Berhasil dibuat |",
            "401010001",
            "| 401010001 | |",
            "401010001 → a code with everything in it",
            "401 → HTTP Code Unauthorized",
            "The code 401016500 is an example",
            "\"response_code\": \"401016500\",",
            "| data | 401016500 | Token |",
            "6281234567890 Customer service",
            "4010165001 something",
            "600xx6505 Waktu",
            "100xx6505 Waktu",
            "400xx650 Waktu",
            "400 Bad Request",
            "2022-03-21T10:11:40+07:00 is the format",
            "| 36 | length |",
        ];
        for line in others {
            assert_eq!(rows(line), [], "{line}");
        }
        // Beside codes with `xx`, digits without a cell are no code.
        assert_eq!(rows("400xx6505 Waktu\n500 1234 nomor telepon\n| 403 1234 | Kunci |").len(), 2);
        assert_eq!(rows("500 1234 nomor telepon").len(), 1);
    }

    #[test]
    fn a_code_without_a_message_is_told_of() {
        let lines = [
            "| ~~401xx6598~~ | Lama |",
            "| 401xx6596 |",
            "| 401xx6596 | |",
            "| 401xx6596 (lama) | Baru |",
            "| 401xx6596 | 401 Unauthorized |",
            "401xx6596",
            "401xx6596 \u{2192} Baru",
            "401xx659 Baru",
            "401xx6596\n# Sesudah",
        ];
        for line in lines {
            let document = Document { text: format!("400xx6505 Waktu\n\n{line}"), is_markdown: true };
            let mut unread = Vec::new();
            assert_eq!(read(&document, &mut unread).unwrap().len(), 1, "{line}");
            assert!(matches!(unread.as_slice(), [code] if code.starts_with("401xx659")), "{line}: {unread:?}");
        }
        let mut unread = Vec::new();
        let others = "200xx2000\n| 200xx2001 | |\n401010001\n600xx6505\nThe code 401xx6596\n400xx6505 Waktu";
        read(&Document { text: others.to_owned(), is_markdown: true }, &mut unread).unwrap();
        assert_eq!(unread, [""; 0]);
    }

    #[test]
    fn services_share_their_cases_and_may_not_differ() {
        assert_eq!(rows("401016500Token\n401026500 Token\n| 401xx6500 | Token |").len(), 1);
        let document = Document { text: "401016500Token\n401026500Kunci".to_owned(), is_markdown: true };
        let error = read(&document, &mut Vec::new()).unwrap_err();
        assert!(error.starts_with("`401xx6500` stands on the page twice") && error.contains("\"Kunci\""), "{error}");
        let empty = Document { text: "| 01 | Auth |".to_owned(), is_markdown: true };
        assert!(read(&empty, &mut Vec::new()).unwrap_err().contains("APIs Response Code"));
    }
}
