//! Klikoo's page "APIs Response Code": rows of a code and its message.

use super::document::{Document, unmarked};
use super::rows::{Found, Rows};

pub(super) const LOOKED_FOR: &str = "looked for rows that begin with a code such as `400xx6505` or `401016500` and have a message after it: \
    the page \"APIs Response Code\" has them";

/// Most digits of a case; it has four.
const MOST_DIGITS: usize = 12;

/// Reads the rows. Their codes have `xx` in place of the service, as a case means the same under every service.
pub(super) fn read(document: &Document) -> Result<Vec<Found>, String> {
    let mut rows = Rows::default();
    // Whether nothing stands before this byte on its line but what a table or a list begins with.
    let mut is_start = true;
    for (at, byte) in document.text.bytes().enumerate() {
        is_start = match byte {
            b'\n' => true,
            // A byte of a bullet or of a wide blank.
            b' ' | b'\t' | b'|' | b'-' | b'*' | b'`' | 0x80.. => is_start,
            b'2'..=b'5' if is_start => {
                let line = document.text.get(at..).and_then(|rest| rest.lines().next()).unwrap_or_default();
                if let Some(found) = row(line) {
                    rows.add(found)?;
                }
                false
            }
            _ => false,
        };
    }
    rows.all(LOOKED_FOR)
}

/// The row that a line is, if it begins with the code of an error and has a message after it.
fn row(line: &str) -> Option<Found> {
    let (status, rest) = digits(line, 3)?;
    // A success is no error.
    if status.starts_with('2') {
        return None;
    }
    let (case, rest) = case(rest)?;
    let rest = rest.trim_start_matches(|mark| is_blank(mark) || matches!(mark, '`' | '*'));
    let message = if let Some(cells) = rest.strip_prefix('|') {
        unmarked(until_pipe(cells))
    } else if let Some(cells) = rest.strip_prefix('\t') {
        cells.trim_start().split('\t').next()?.trim_matches(|mark: char| mark.is_whitespace() || mark == '`').to_owned()
    } else {
        // A sign would explain an example: `401010001 → ...`.
        let begins = |first: char| first.is_alphanumeric() || matches!(first, '(' | '"' | '\'' | '[');
        rest.starts_with(begins).then(|| rest.to_owned())?
    };
    let code = Some(format!("{status}xx{case}"));
    (!message.trim().is_empty()).then(|| Found { code, status: status.parse().ok(), name: None, message: Some(message) })
}

/// The digits of the case and what follows them, after the service: `xx6505`, `016505`, with or without blanks, or a blank in place of the service.
fn case(text: &str) -> Option<(&str, &str)> {
    let rest = text.trim_start_matches(is_blank);
    if let Some((service, rest)) = rest.split_at_checked(2)
        && service.eq_ignore_ascii_case("xx")
    {
        let rest = rest.trim_start_matches(is_blank);
        let count = rest.bytes().take(MOST_DIGITS).take_while(u8::is_ascii_digit).count();
        let (run, after) = digits(rest, count).filter(|_| count > 0)?;
        // In a cell of its own the case is all digits. Without one it has four, and the next digit is the message's.
        let is_cell = after.trim_start_matches(|mark| is_blank(mark) || matches!(mark, '`' | '*')).starts_with(['|', '\t']);
        return if is_cell { Some((run, after)) } else { digits(rest, 4) };
    }
    let with_service = digits(rest, 2).and_then(|(_, rest)| digits(rest.trim_start_matches(is_blank), 4));
    let without = || digits(rest, 4).filter(|_| rest.len() < text.len());
    // One digit more, and it is another number.
    let ends = |(_, rest): &(&str, &str)| !rest.starts_with(|next: char| next.is_ascii_digit());
    with_service.filter(ends).or_else(|| without().filter(ends))
}

/// So many digits, and what comes after them.
fn digits(text: &str, count: usize) -> Option<(&str, &str)> {
    let (digits, rest) = text.split_at_checked(count)?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then_some((digits, rest))
}

fn is_blank(character: char) -> bool {
    character.is_whitespace() && character != '\t'
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
        let found = read(&document).unwrap_or_default();
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
        ];
        for (line, code, message) in cases {
            let wanted = (code.to_owned(), code.get(..3).unwrap().parse().unwrap(), message.to_owned());
            assert_eq!(rows(&format!("before\r\n{line}\r\nafter")), [wanted], "{line}");
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
    }

    #[test]
    fn services_share_their_cases_and_may_not_differ() {
        assert_eq!(rows("401016500Token\n401026500 Token\n| 401xx6500 | Token |").len(), 1);
        let document = Document { text: "401016500Token\n401026500Kunci".to_owned(), is_markdown: true };
        let error = read(&document).unwrap_err();
        assert!(error.starts_with("`401xx6500` stands on the page twice") && error.contains("\"Kunci\""), "{error}");
        let empty = Document { text: "| 01 | Auth |".to_owned(), is_markdown: true };
        assert!(read(&empty).unwrap_err().contains("APIs Response Code"));
    }
}
