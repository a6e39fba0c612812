//! A page's codes against our table's.

use std::collections::HashMap;

use similar::TextDiff;

use super::rows::Found;
use crate::codegen::Columns;
use crate::codegen::page::Table;

/// From here on two texts are one that was reworded, and below it two texts.
const ALIKE: f32 = 0.6;

/// A row of our table, as far as a page can say something about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ours {
    /// Which row of the table.
    pub(super) row: usize,
    pub(super) code: String,
    pub(super) status: String,
    pub(super) name: String,
    pub(super) message: String,
}

impl Ours {
    /// In one line, for people.
    pub(super) fn shown(&self) -> String {
        format!("{}, {}, \"{}\"", self.status, self.name, self.message)
    }
}

/// A cell that says something else than the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) column: &'static str,
    pub(super) ours: String,
    pub(super) page: String,
}

/// A code of the page that we have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// Which of ours.
    pub(super) ours: usize,
    pub(super) changes: Vec<Change>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Comparison {
    /// For each code of the page, in its order; `None` if we do not have it.
    pub(super) page: Vec<Option<Known>>,
    /// Which of ours the page does not have.
    pub(super) gone: Vec<usize>,
}

impl Comparison {
    pub(super) fn count_new(&self) -> usize {
        self.page.iter().filter(|known| known.is_none()).count()
    }

    pub(super) fn count_changed(&self) -> usize {
        self.page.iter().flatten().filter(|known| !known.changes.is_empty()).count()
    }
}

/// The rows that come from a page: all of them where the table does not tell.
pub(super) fn ours(table: &Table, columns: &Columns, page: &str) -> Vec<Ours> {
    let rows = table.rows.iter().enumerate();
    let of_the_page = rows.filter(|(_, row)| columns.of(row, "source").is_none_or(|source| source.text == page));
    of_the_page
        .map(|(index, row)| {
            let text = |column| columns.of(row, column).map(|cell| cell.text.clone()).unwrap_or_default();
            Ours { row: index, code: text("code"), status: text("HTTP status"), name: text("name"), message: text("message") }
        })
        .collect()
}

pub(super) fn compare(found: &[Found], ours: &[Ours]) -> Comparison {
    let partners = partners(found, ours);
    let known = |(found, partner): (&Found, &Option<usize>)| {
        partner.and_then(|partner| Some(Known { ours: partner, changes: changes(found, ours.get(partner)?) }))
    };
    let page = found.iter().zip(&partners).map(known).collect();
    let mut is_there = vec![false; ours.len()];
    for partner in partners.into_iter().flatten() {
        if let Some(is_there) = is_there.get_mut(partner) {
            *is_there = true;
        }
    }
    let gone = is_there.iter().enumerate().filter(|(_, is_there)| !**is_there).map(|(index, _)| index).collect();
    Comparison { page, gone }
}

/// What the page says otherwise. About what it does not say, nothing differs.
fn changes(found: &Found, ours: &Ours) -> Vec<Change> {
    let status = found.status.map(|status| status.to_string());
    let fields = [
        ("HTTP status", &ours.status, status.as_ref()),
        ("name", &ours.name, found.name.as_ref()),
        ("message", &ours.message, found.message.as_ref()),
    ];
    let change = |(column, ours, page): (&'static str, &String, Option<&String>)| {
        let page = page.filter(|page| *page != ours)?;
        Some(Change { column, ours: ours.clone(), page: page.clone() })
    };
    fields.into_iter().filter_map(change).collect()
}

/// Which of ours each of the page's is: by the code; where it has none by the message, and by the most similar one if none is the same.
fn partners(found: &[Found], ours: &[Ours]) -> Vec<Option<usize>> {
    let mut by_code = HashMap::new();
    let mut by_message = HashMap::new();
    for (index, ours) in ours.iter().enumerate() {
        by_code.entry(ours.code.as_str()).or_insert(index);
        by_message.entry(ours.message.as_str()).or_insert(index);
    }
    let partner = |found: &Found| match &found.code {
        Some(code) => by_code.get(code.as_str()).copied(),
        None => by_message.get(found.message.as_deref()?).copied(),
    };
    let mut partners: Vec<_> = found.iter().map(partner).collect();
    let mut alike = Vec::new();
    for (at, found) in found.iter().enumerate().filter(|(at, found)| found.code.is_none() && partners.get(*at) == Some(&None)) {
        let free = ours.iter().enumerate().filter(|(index, _)| !partners.contains(&Some(*index)));
        let ratios = free.map(|(index, ours)| (ratio(&ours.message, found.message.as_deref().unwrap_or_default()), at, index));
        alike.extend(ratios.filter(|(ratio, ..)| *ratio >= ALIKE));
    }
    // The most similar first; each row counts for one text.
    alike.sort_by(|one, other| other.0.total_cmp(&one.0));
    for (_, at, index) in alike {
        let is_free = !partners.contains(&Some(index));
        if let Some(partner) = partners.get_mut(at).filter(|partner| is_free && partner.is_none()) {
            *partner = Some(index);
        }
    }
    partners
}

/// How much two texts have in common, from nothing, 0, to everything, 1.
fn ratio(one: &str, other: &str) -> f32 {
    // Beside a short text a long one has little in common, and finding that out takes time.
    let (short, long) = (one.len().min(other.len()), one.len().max(other.len()));
    if long > short * 3 { 0.0 } else { TextDiff::from_chars(one, other).ratio() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours(code: &str, status: &str, name: &str, message: &str) -> Ours {
        let (code, status, name, message) = (code.to_owned(), status.to_owned(), name.to_owned(), message.to_owned());
        Ours { row: 0, code, status, name, message }
    }

    fn found(code: &str, status: u16, name: &str, message: &str) -> Found {
        let text = |text: &str| Some(text.to_owned());
        Found { code: text(code), status: Some(status), name: text(name), message: text(message) }
    }

    fn text(message: &str) -> Found {
        Found { message: Some(message.to_owned()), ..Found::default() }
    }

    #[test]
    fn what_is_new_changed_and_gone_is_told() {
        let table = [
            ours("E1", "400", "ErrA", "a"),
            ours("E2", "400", "ErrB", "b"),
            ours("E3", "400", "ErrC", "c"),
            ours("E4", "?", "?", ""),
        ];
        let page = [
            found("E4", 500, "ErrD", ""),
            found("E9", 400, "ErrA", "a"),
            found("E1", 400, "ErrA", "a"),
            Found { name: None, status: None, ..found("E3", 400, "", "c, reworded") },
        ];
        let comparison = compare(&page, &table);
        let change = |column, ours: &str, page: &str| Change { column, ours: ours.to_owned(), page: page.to_owned() };
        let known = |ours, changes| Some(Known { ours, changes });
        assert_eq!(
            comparison.page,
            [
                known(3, vec![change("HTTP status", "?", "500"), change("name", "?", "ErrD")]),
                None,
                known(0, vec![]),
                known(2, vec![change("message", "c", "c, reworded")]),
            ]
        );
        assert_eq!(comparison.gone, [1]);
        assert_eq!((comparison.count_new(), comparison.count_changed()), (1, 2));
        let same = compare(&[found("E1", 400, "ErrA", "a")], &table[..1]);
        assert_eq!((same.count_new(), same.count_changed(), same.gone.len()), (0, 0, 0));
        // Another spelling is another code.
        assert_eq!(compare(&[found("e1", 400, "ErrA", "a")], &table[..1]).count_new(), 1);
    }

    #[test]
    fn a_text_without_a_code_is_known_by_its_words() {
        let table = [
            ours("refused", "401", "refused", "The client was not found, or its secret (client_secret) is another"),
            ours("limited", "429", "limited", "Too many attempts were made: wait for 1 minute and try again"),
        ];
        let partner = |page: &[&str]| {
            let page: Vec<_> = page.iter().map(|message| text(message)).collect();
            let known = compare(&page, &table).page;
            known.into_iter().map(|known| known.map(|known| (known.ours, known.changes.len()))).collect::<Vec<_>>()
        };
        let [refused, limited] = [table[0].message.as_str(), table[1].message.as_str()];
        let reworded = "Too many attempts were made: wait for 5 minutes before you try again";
        assert_eq!(partner(&[limited, refused]), [Some((1, 0)), Some((0, 0))]);
        assert_eq!(partner(&[reworded, refused]), [Some((1, 1)), Some((0, 0))]);
        // A row counts once, for the text that is most like it.
        assert_eq!(partner(&[reworded, limited]), [None, Some((1, 0))]);
        assert_eq!(partner(&["Too many attempts of any kind: wait and try", reworded]), [None, Some((1, 1))]);
        assert_eq!(partner(&["The token is over, so ask for a new one"]), [None]);
        assert_eq!(partner(&[&refused.repeat(4)]), [None]);
    }
}
