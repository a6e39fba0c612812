//! Whole pages against whole tables. The pages are ours; their layouts, codes and messages are the services'.

use std::fs;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

/// A page of each service as text, HTML and Markdown.
const PAGES_OF: &[(&str, [&str; 3])] = &[
    (
        "klikoo",
        [
            include_str!("../../tests/pages/klikoo.txt"),
            include_str!("../../tests/pages/klikoo.html"),
            include_str!("../../tests/pages/klikoo.md"),
        ],
    ),
    (
        "prakerja",
        [
            include_str!("../../tests/pages/prakerja.txt"),
            include_str!("../../tests/pages/prakerja.html"),
            include_str!("../../tests/pages/prakerja.md"),
        ],
    ),
    (
        "sehatmu",
        [
            include_str!("../../tests/pages/sehatmu.txt"),
            include_str!("../../tests/pages/sehatmu.html"),
            include_str!("../../tests/pages/sehatmu.md"),
        ],
    ),
];

const KLIKOO: &[(&str, &str)] = &[
    ("400xx6505", "Waktu tidak sesuai"),
    ("400xx6512", "Field tidak boleh kosong"),
    ("401xx6500", "Token tidak sesuai"),
    ("404xx6525", "Produk tidak sesuai"),
    ("404xx7009", "Akun telah dinonaktifkan atau diblokir, silahkan hubungi customer support terkait."),
    ("500xx8601", "Gagal masukan data ke redis"),
    ("503xx9998", "Jumlah pembayaran harus lebih besar dari jumlah minimum plus biaya admin (jika ada biaya admin)"),
];

const PRAKERJA: &[(&str, &str, &str)] = &[
    ("ERROAUTH4024", "NotFoundContextClientId", "Unauthorized"),
    ("ERROAUTH4029", "ErrOauthClientIdNotFound", "Unauthorized"),
    ("ERROAUTH4031", "ErrOauthAuthCodeNotFound", "Unauthorized"),
    ("ERROAUTH4033", "ErrScopeNotMatch", "scope tidak sesuai"),
    ("ERROAUTH4037", "ErrSignaturePayloadInvalidJSON", "Signature payload invalid JSON"),
    ("ERROAUTH4042", "ErrGrantTypeNotMatch", "grant_type tidak sesuai"),
    ("ERROAUTH4049", "ErrCreateJWTToken", "Unauthorized"),
    ("ERROAUTH4051", "ErrTokenExpired", "Token expired"),
];

const SEHATMU: [&str; 2] = [
    "The user or system was not able to be authenticated (either client_id or client_secret combination is unacceptable)",
    "Authentication temporarily cannot be performed due to the rate limit policy. Rate limit: 1 request per minute after a failed attempt.",
];

const HEADER: &str = "| code | HTTP status | name | message | meaning | arti | kind | remedy |";

/// One row of our table. Klikoo's and SehatMu's names are ours, so any will do.
fn row(code: &str, status: u16, name: &str, message: &str) -> String {
    let id = crate::codegen::anchor(code);
    let message = if message.is_empty() { String::new() } else { format!(" {}", crate::markdown::cell(message)) };
    format!("| <a id=\"{id}\"></a>`{code}` | {status} | {name} |{message} | it is so | begitu | server | retry |")
}

/// Our page about a service, with all that the fixtures say.
fn our_page(service: &str) -> String {
    let (rows, source): (Vec<String>, _) = match service {
        "klikoo" => (
            KLIKOO.iter().map(|(code, message)| row(code, code.get(..3).unwrap().parse().unwrap(), "OurName", message)).collect(),
            false,
        ),
        "prakerja" => {
            (PRAKERJA.iter().map(|(code, name, message)| row(code, 400, &format!("`{name}`"), message)).collect(), false)
        }
        _ => {
            let of_the_page = |row: String| format!("{row} Access Token page |");
            let rows = vec![
                of_the_page(row("not_authenticated", 401, "`not_authenticated`", SEHATMU[0])),
                format!("{} a library |", row("invalid_client", 400, "`invalid_client`", "Invalid client: client is invalid")),
                of_the_page(row("rate_limit", 429, "`rate_limit`", SEHATMU[1])),
                format!("{} a library |", row("invalid_grant", 400, "`invalid_grant`", "")),
            ];
            (rows, true)
        }
    };
    let (header, line) = if source {
        (format!("{HEADER} source |"), "|---|---|---|---|---|---|---|---|---|")
    } else {
        (HEADER.to_owned(), "|---|---|---|---|---|---|---|---|")
    };
    format!(
        "# A service\n\nWords.\n\n<!-- codegen: errors BankErrorCode -->\n\n{header}\n{line}\n{}\n\nMore words, and a \\| pipe.\n",
        rows.join("\n")
    )
}

/// A workspace with our page, and a page of the service beside it.
struct Workspace(TempDir);

impl Workspace {
    fn new(service: &str, ours: &str) -> Self {
        let workspace = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(workspace.0.path().join(PAGES)).unwrap();
        fs::write(workspace.0.path().join(format!("{PAGES}/{service}.md")), ours).unwrap();
        workspace
    }

    fn import(&self, service: &str, page: impl AsRef<[u8]>, write: bool) -> (String, Result<(), Failure>) {
        let file = self.0.path().join("saved");
        fs::write(&file, page).unwrap();
        import(self.0.path(), service, &file, write)
    }

    fn ours(&self, service: &str) -> String {
        fs::read_to_string(self.0.path().join(format!("{PAGES}/{service}.md"))).unwrap()
    }
}

fn read(service: &str, page: impl AsRef<[u8]>) -> Result<Vec<Found>, String> {
    let service = SERVICES.iter().find(|known| known.name == service).unwrap();
    Document::read(page.as_ref()).and_then(|document| (service.read)(&document, &mut Vec::new()))
}

fn is_found(outcome: &Result<(), Failure>) -> bool {
    matches!(outcome, Err(Failure::Found(_)))
}

fn trouble(outcome: Result<(), Failure>) -> String {
    match outcome {
        Err(Failure::Trouble(message)) => message,
        other => panic!("no trouble but {other:?}"),
    }
}

#[test]
fn text_html_and_markdown_give_the_same_rows() {
    let text = |text: &str| Some(text.to_owned());
    for (service, pages) in PAGES_OF {
        let wanted: Vec<Found> = match *service {
            "klikoo" => {
                let found = |(code, message): &(&str, &str)| Found {
                    code: text(code),
                    status: code.get(..3).unwrap().parse().ok(),
                    name: None,
                    message: text(message),
                };
                KLIKOO.iter().map(found).collect()
            }
            "prakerja" => {
                let found = |(code, name, message): &(&str, &str, &str)| Found {
                    code: text(code),
                    status: Some(400),
                    name: text(name),
                    message: text(message),
                };
                PRAKERJA.iter().map(found).collect()
            }
            _ => SEHATMU.iter().map(|message| Found { message: text(message), ..Found::default() }).collect(),
        };
        for page in pages {
            assert_eq!(read(service, page).unwrap(), wanted, "{page}");
            let wide: Vec<u8> = std::iter::once(0xFEFF).chain(page.encode_utf16()).flat_map(u16::to_le_bytes).collect();
            assert_eq!(read(service, wide).unwrap(), wanted);
            assert_eq!(read(service, format!("\u{FEFF}{}", page.replace('\n', "\r\n"))).unwrap(), wanted);
        }
    }
}

#[test]
fn a_page_that_says_what_we_say_is_one_line() {
    for (service, pages) in PAGES_OF {
        let workspace = Workspace::new(service, &our_page(service));
        for (page, write) in pages.iter().zip([false, true, false]) {
            let (said, outcome) = workspace.import(service, page, write);
            let count = match *service {
                "klikoo" => "7 codes",
                "prakerja" => "8 codes",
                _ => "2 texts",
            };
            assert_eq!(said, format!("{service}: {count}, all as in docs/providers/{service}.md\n"));
            assert!(outcome.is_ok());
        }
        assert_eq!(workspace.ours(service), our_page(service));
    }
}

/// A page on which one message is another, and one row has given way to a new one.
fn mutated(service: &str, page: &str) -> String {
    match service {
        "klikoo" => page
            .replace("Field&nbsp;tidak", "Field tidak")
            .replace("Field tidak boleh kosong", "Field *wajib* | diisi")
            .replace("Field *wajib* | diisi |", "Field \\*wajib\\* \\| diisi |")
            .replace("500xx8601", "500xx8602")
            .replace("500XX8601", "500XX8602")
            .replace("500018601", "500018602"),
        "prakerja" => page.replace("scope tidak sesuai", "scope_baru tidak sesuai").replace("ERROAUTH4049", "ERROAUTH4099"),
        _ => page
            .replace("Rate limit: 1 request per minute", "Rate limit: 5 requests per hour")
            .replace(SEHATMU[0], "No such client is registered here"),
    }
}

#[test]
fn new_changed_and_gone_rows_are_told_and_nothing_else() {
    for (service, pages) in PAGES_OF {
        for page in pages {
            let workspace = Workspace::new(service, &our_page(service));
            let (said, outcome) = workspace.import(service, mutated(service, page), false);
            assert!(is_found(&outcome), "{outcome:?}");
            assert!(said.ends_with("on the page; 1 new, 1 changed, 1 gone\n"), "{said}");
            assert_eq!(workspace.ours(service), our_page(service), "it was not to write");
            if page.starts_with('<') {
                insta::assert_snapshot!(format!("differences_{service}"), said);
            }
        }
    }
}

#[test]
fn what_is_written_is_what_the_page_says_and_not_a_byte_more() {
    for (service, pages) in PAGES_OF {
        for (page, line_end) in pages.iter().zip(["\n", "\r\n", "\n"]) {
            let before = our_page(service).replace('\n', line_end);
            let workspace = Workspace::new(service, &before);
            let page = mutated(service, page);
            let (said, outcome) = workspace.import(service, &page, true);
            outcome.unwrap();
            assert!(said.contains("wrote docs/providers/") && said.contains("`cargo xtask codegen`"), "{said}");
            assert!(said.contains("delete them by hand"), "{said}");
            let (changed, new) = match *service {
                "klikoo" => (
                    before.replace("Field tidak boleh kosong", "Field \\*wajib\\* \\| diisi"),
                    "| <a id=\"500xx8602\"></a>`500xx8602` | 500 | ? | Gagal masukan data ke redis | ? | ? | ? | ? |",
                ),
                "prakerja" => (
                    before.replace("scope tidak sesuai", "scope_baru tidak sesuai"),
                    "| <a id=\"erroauth4099\"></a>`ERROAUTH4099` | 400 | `ErrCreateJWTToken` | Unauthorized | ? | ? | ? | ? |",
                ),
                _ => (
                    before.replace("Rate limit: 1 request per minute", "Rate limit: 5 requests per hour"),
                    "| ? | ? | ? | No such client is registered here | ? | ? | ? | ? | Access Token page |",
                ),
            };
            // After the row that it follows on the page; the first of a page to the end.
            let after = match *service {
                "klikoo" => "diblokir, silahkan hubungi customer support terkait. | it is so | begitu | server | retry |",
                "prakerja" => "| grant_type tidak sesuai | it is so | begitu | server | retry |",
                _ => "| `invalid_grant` | | it is so | begitu | server | retry | a library |",
            };
            assert_eq!(changed.matches(after).count(), 1);
            let wanted = changed.replace(after, &format!("{after}{line_end}{new}"));
            assert_eq!(workspace.ours(service), wanted);

            let (said, outcome) = workspace.import(service, &page, false);
            assert!(is_found(&outcome), "the row that is gone stays");
            assert!(said.ends_with("; 0 new, 0 changed, 1 gone\n"), "{said}");
            let (said, outcome) = workspace.import(service, &page, true);
            assert!(outcome.is_ok() && !said.contains("wrote"), "{said}");
            assert_eq!(workspace.ours(service), wanted);
        }
    }
}

/// A page of Prakerja's with these entries.
fn prakerja_page(entries: &[(&str, u16, &str, &str)]) -> String {
    let entry = |(code, status, name, message): &(&str, u16, &str, &str)| {
        format!("Response {status} {name}\n1{{\n2  \"code\": \"{code}\",\n3  \"message\": \"{message}\"\n4}}\n")
    };
    entries.iter().map(entry).collect()
}

#[test]
fn every_cell_that_a_page_fills_is_written_as_its_neighbours_are() {
    let ours = format!(
        "<!-- codegen: errors BankErrorCode -->\n{HEADER}\n|---|---|---|---|---|---|---|---|\n{}\n{}\n|<a id=\"e3\"></a>`E3`|?|?||a|b|server|retry|\nno row\n",
        row("E1", 400, "`ErrOne`", "one"),
        row("E2", 400, "ErrTwo", ""),
    )
    .replace("\nno row", "");
    let page = prakerja_page(&[
        ("E0", 500, "ErrNil", ""),
        ("E1", 401, "ErrUno", "satu"),
        ("E8", 400, "", "x"),
        ("E9", 400, "ErrNine", "y"),
        ("E2", 400, "ErrDue", "dua"),
        ("E3", 403, "ErrTre", "tiga"),
    ]);
    let workspace = Workspace::new("prakerja", &ours);
    workspace.import("prakerja", page, true).1.unwrap();
    let (_, table) = workspace.ours("prakerja").split_once("---|\n").map(|(one, two)| (one.to_owned(), two.to_owned())).unwrap();
    assert_eq!(
        table,
        "| <a id=\"e1\"></a>`E1` | 401 | `ErrUno` | satu | it is so | begitu | server | retry |\n\
         | <a id=\"e8\"></a>`E8` | 400 | ? | x | ? | ? | ? | ? |\n\
         | <a id=\"e9\"></a>`E9` | 400 | `ErrNine` | y | ? | ? | ? | ? |\n\
         | <a id=\"e2\"></a>`E2` | 400 | ErrDue | dua | it is so | begitu | server | retry |\n\
         |<a id=\"e3\"></a>`E3`|403|`ErrTre`| tiga |a|b|server|retry|\n\
         | <a id=\"e0\"></a>`E0` | 500 | `ErrNil` | | ? | ? | ? | ? |\n"
    );
}

#[test]
fn only_markdown_has_marks() {
    let message = |page: &str| read("sehatmu", page).unwrap().into_iter().map(|found| found.message.unwrap()).collect::<Vec<_>>();
    assert_eq!(message("issue: \"a *b* c\\_d\""), ["a b c_d"]);
    assert_eq!(message("<!doctype html><p>issue: \"a *b* c\\_d\"</p>"), ["a *b* c\\_d"]);
}

#[test]
fn rows_without_a_code_are_known_again() {
    let workspace = Workspace::new("sehatmu", &our_page("sehatmu"));
    let page = format!("{}\n\nissue: \"this text is new\" or \"another one, new as well\"", PAGES_OF[2].1[0]);
    let (said, outcome) = workspace.import("sehatmu", &page, true);
    outcome.unwrap();
    assert!(said.contains("4 texts on the page; 2 new, 0 changed, 0 gone\n"), "{said}");
    let (said, outcome) = workspace.import("sehatmu", &page, false);
    outcome.unwrap();
    assert_eq!(said, "sehatmu: 4 texts, all as in docs/providers/sehatmu.md\n");
}

#[test]
fn a_row_of_another_source_is_left_alone() {
    let ours = our_page("sehatmu");
    let workspace = Workspace::new("sehatmu", &ours);
    let (said, _) = workspace.import("sehatmu", "issue: \"Invalid client: client is invalid\"", false);
    assert!(said.ends_with("1 text on the page; 1 new, 0 changed, 2 gone\n"), "{said}");
    assert!(!said.contains("invalid_grant"), "{said}");
}

#[test]
fn hidden_characters_reach_neither_the_terminal_nor_our_page() {
    let workspace = Workspace::new("prakerja", &our_page("prakerja"));
    let page = PAGES_OF[1].1[0].replace("Token expired", "\u{1b}[31mToken\u{202E} \u{A0}expired\u{E000}");
    let (said, outcome) = workspace.import("prakerja", &page, true);
    outcome.unwrap();
    for text in [said, workspace.ours("prakerja")] {
        assert!(
            text.contains("\u{FFFD}[31mToken\u{FFFD} expired\u{FFFD}")
                || text.contains("\u{FFFD}\\[31mToken\u{FFFD} expired\u{FFFD}"),
            "{text}"
        );
        assert!(!text.chars().any(|character| character != '\n' && crate::codegen::is_hidden(character)), "{text:?}");
    }
}

#[test]
fn an_entry_that_cannot_be_read_keeps_the_page_from_being_all_as_ours() {
    let workspace = Workspace::new("prakerja", &our_page("prakerja"));
    let page = format!("{}\nResponse 400 Bad Request ErrCut\n1{{\n2  \"co", PAGES_OF[1].1[0]);
    let (said, outcome) = workspace.import("prakerja", page, false);
    assert!(said.starts_with("prakerja: 1 entry could not be read, the first is `ErrCut`"), "{said}");
    assert!(is_found(&outcome));
}

#[test]
fn nothing_is_written_while_anything_is_unread() {
    let cases = [
        // All headers, and then all of the JSON: the last header has the first of it.
        (
            "prakerja",
            "Response 400 Bad Request ErrOne\nResponse 400 Bad Request ErrTwo\n{\"code\": \"ERRX1\", \"message\": \"x\"}\n{\"code\": \"ERRX2\", \"message\": \"x\"}",
            "`ErrOne`",
        ),
        ("klikoo", "| 400xx9999 | Baru |\n| ~~401xx6598~~ | Lama |", "`401xx6598`"),
    ];
    for (service, page, first) in cases {
        let workspace = Workspace::new(service, &our_page(service));
        let (said, outcome) = workspace.import(service, page, true);
        assert!(said.contains(&format!("1 entry could not be read, the first is {first}")), "{said}");
        assert!(matches!(outcome, Err(Failure::Found(message)) if message.ends_with("nothing was written")));
        assert_eq!(workspace.ours(service), our_page(service));
    }
    // Not even if there is nothing to write.
    let workspace = Workspace::new("klikoo", &our_page("klikoo"));
    let page = format!("{}\n| 401xx6598 |", PAGES_OF[0].1[2]);
    assert!(is_found(&workspace.import("klikoo", page, true).1));
}

#[test]
fn a_page_with_some_of_the_codes_does_not_advise_to_delete_the_others() {
    let workspace = Workspace::new("klikoo", &our_page("klikoo"));
    let rows = |count: usize| KLIKOO.iter().take(count).map(|(code, message)| format!("{code}\t{message}\n")).collect::<String>();
    let help = |count: usize| match workspace.import("klikoo", rows(count), false).1 {
        Err(Failure::Found(message)) => message,
        other => panic!("{other:?}"),
    };
    assert!(help(3).ends_with(PART), "{}", help(3));
    assert!(help(4).ends_with("delete them by hand."), "{}", help(4));
    for (count, wanted) in [(3, PART), (4, "delete them by hand.")] {
        let (said, outcome) = workspace.import("klikoo", rows(count), true);
        assert!(outcome.is_ok() && said.contains(wanted), "{said}");
    }
}

#[test]
fn codes_without_a_header_are_counted() {
    let workspace = Workspace::new("prakerja", &our_page("prakerja"));
    let page = format!("{}\n{{\"code\": \"ERROAUTH4099\", \"message\": \"x\"}}", PAGES_OF[1].1[0]);
    let (said, _) = workspace.import("prakerja", page, false);
    assert!(said.starts_with("prakerja: 1 code came without status and name, so these were not compared\n"), "{said}");
    // One that a header has as well says nothing more.
    let page = format!("contoh: {{\"code\": \"ERROAUTH4033\", \"message\": \"other\"}}\n{}", PAGES_OF[1].1[0]);
    let (said, outcome) = workspace.import("prakerja", page, false);
    assert!(outcome.is_ok() && said.starts_with("prakerja: 8 codes, all as in"), "{said}");
}

#[test]
fn the_command_can_be_pasted() {
    let cases = [("a/b-1_2.txt", "a/b-1_2.txt"), ("a b", "'a b'"), ("it's;$(x)", "'it'\\''s;$(x)'")];
    for (path, wanted) in cases {
        assert_eq!(quoted(path), wanted);
    }
    let workspace = Workspace::new("klikoo", &our_page("klikoo"));
    let file = workspace.0.path().join("Response Code.md");
    fs::write(&file, mutated("klikoo", PAGES_OF[0].1[2])).unwrap();
    let message = match import(workspace.0.path(), "klikoo", &file, false).1 {
        Err(Failure::Found(message)) => message,
        other => panic!("{other:?}"),
    };
    assert!(message.contains("Response Code.md'`"), "{message}");
}

#[test]
fn a_long_text_is_shown_in_part() {
    assert_eq!(shortened(&"é".repeat(LONGEST_SHOWN)), "é".repeat(LONGEST_SHOWN));
    assert_eq!(shortened(&"é".repeat(LONGEST_SHOWN + 1)), format!("{}...", "é".repeat(LONGEST_SHOWN)));
}

#[test]
fn trouble_says_what_to_do() {
    let workspace = Workspace::new("prakerja", &our_page("prakerja"));
    let page = PAGES_OF[1].1[0];
    let cases = [
        (workspace.import("bank", page, false), "no page of `bank` can be read; the services are klikoo, prakerja, sehatmu"),
        (workspace.import("klikoo", PAGES_OF[0].1[0], false), "there is no `docs/providers/klikoo.md`"),
        (workspace.import("prakerja", "Content-Transfer-Encoding: quoted-printable\n\n<p>=20", true), "save it from the browser"),
        (workspace.import("prakerja", "", true), "looked for entries such as `Response 400 Bad Request ErrName`"),
        (workspace.import("klikoo", page, true), "the page \"APIs Response Code\" has them"),
        (workspace.import("sehatmu", page, true), "the page \"Access Token\" has them"),
        (import(workspace.0.path(), "prakerja", &workspace.0.path().join("no\u{1b}file"), false), "there is no file `"),
        (import(workspace.0.path(), "prakerja", workspace.0.path(), false), "cannot read"),
        (workspace.import("prakerja", vec![b' '; MOST_BYTES as usize + 1], false), "is larger than 10485760 bytes"),
        (Workspace::new("prakerja", "# No table\n").import("prakerja", page, true), "has no table of errors"),
        (Workspace::new("prakerja", &our_page("prakerja").repeat(2)).import("prakerja", page, true), "has two tables of errors"),
        (Workspace::new("prakerja", &our_page("prakerja").replace("arti", "arte")).import("prakerja", page, true), "has faults"),
        (
            Workspace::new("prakerja", &our_page("prakerja").replace("4029", "4024")).import("prakerja", page, true),
            "`ERROAUTH4024` stands twice in docs/providers/prakerja.md",
        ),
    ];
    for ((said, outcome), wanted) in cases {
        let message = trouble(outcome);
        assert!(message.contains(wanted), "{message}");
        assert!(!message.contains('\u{1b}'), "{message:?}");
        assert_eq!(said, "");
    }
    assert_eq!(workspace.ours("prakerja"), our_page("prakerja"));
}

/// Time grows with the length of a page and no faster. If it grew with the square, this test would take minutes.
#[test]
fn no_page_takes_long() {
    let units = [
        "<",
        "\"code\":",
        "Response 400 ",
        "Response 400 Bad Request ErrX ",
        "{",
        "{}",
        "{\"",
        "{\"a\":",
        "{\"a\":[[",
        "4",
        "400xx6505",
        "\"",
        "|",
        "\\",
        "| 400xx6505 ",
        "<div>",
        "<td>",
        "<pre>",
        "<!--",
        "<script>",
        "&",
        "\u{1}",
        "\0",
        "\n",
        "\r",
        "400 \n",
        "issue ",
        "issue \"",
        "issue\n",
        "issue \"a b c\" ",
        "xissue",
        "\\u",
        "é",
        "\u{201C}",
        "1{2",
    ];
    for unit in units {
        for start in ["", "<!doctype html>", "# a\n<p>b</p>\n", "issue \"", "Response 400 {\"", "| 400xx6505 | ", "400xx6505"] {
            let page = format!("{start}{}", unit.repeat(20_000 / unit.len()));
            for service in SERVICES {
                let _ = read(service.name, &page);
            }
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        for service in SERVICES {
            let _ = read(service.name, &bytes);
        }
    }

    #[test]
    fn no_pieces_of_pages_panic(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..40), write: bool) {
        let page = pieces.concat();
        for (service, _) in PAGES_OF {
            let workspace = Workspace::new(service, &our_page(service));
            let (_, outcome) = workspace.import(service, &page, write);
            if write && outcome.is_ok() {
                let (said, _) = workspace.import(service, &page, false);
                prop_assert!(said.contains("all as in") || said.contains("; 0 new, 0 changed, "), "{}", said);
            }
        }
    }

    #[test]
    fn any_message_is_written_so_that_it_reads_back(messages in prop::collection::vec(r#"[ -~é\u{4E2D}]{0,40}|[a-c`*_|\\<>&~$\[\]() ]{0,20}"#, 1..6)) {
        let json = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
        let entry = |(number, message): (usize, &String)| format!("Response 400 ErrX{number}y {{\"code\": \"ERROAUTH40{}\", \"message\": \"{}\"}}\n", 30 + number, json(message));
        let page: String = messages.iter().enumerate().map(entry).collect();
        let workspace = Workspace::new("prakerja", &our_page("prakerja"));
        let (said, outcome) = workspace.import("prakerja", &page, true);
        prop_assert!(outcome.is_ok(), "{}{:?}", said, outcome);
        let (said, _) = workspace.import("prakerja", &page, false);
        prop_assert!(said.contains("; 0 new, 0 changed, "), "{}", said);
    }
}

const PIECES: &[&str] = &[
    "Response 400 ",
    "Bad Request ",
    "ErrName ",
    "Response 200 OK ",
    "{",
    "}",
    "[",
    "]",
    "\"code\"",
    "\"message\"",
    ":",
    ",",
    "\"ERROAUTH4024\"",
    "\"ERRX1\"",
    "\"a b c\"",
    "1",
    "2 ",
    "true",
    "null",
    "\\",
    "\"",
    "\n",
    "\r\n",
    "\t",
    " ",
    "|",
    "| 400xx6505 ",
    "400xx6512",
    "400016512",
    "a message",
    "<td>",
    "</td>",
    "<tr>",
    "</tr>",
    "<pre>",
    "</pre>",
    "<p>",
    "</p>",
    "<!doctype html>",
    "<script>",
    "</script>",
    "&lt;",
    "&",
    "issue ",
    "\u{201C}",
    "\u{201D}",
    "\"resourceType\": \"OperationOutcome\"",
    "\"issue\"",
    "\"details\"",
    "\"text\"",
    "é",
    "\u{202E}",
    "`",
    "*",
    "```\n",
    "- ",
    "x",
];
