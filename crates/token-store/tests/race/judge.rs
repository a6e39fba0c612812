//! What must hold, by the journals, the store and the service.

use std::collections::{HashMap, VecDeque};
use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use secrecy::SecretString;
use tokio::runtime::{Builder, Runtime};

use provider_prakerja::Prakerja;
use token_core::{RefreshGrant as _, Remedy, SessionKey, SessionStore as _, Sessions, SystemClock};
use token_store::FileStore;

use super::process::journal;
use super::service::{Service, client};
use super::worker::{LeapingClock, UNTIL_OVER, USER, fingerprint, open};

pub(crate) struct Kill {
    pub(crate) slot: usize,
    pub(crate) while_starting: bool,
}

/// A refresh token: which login it is of, and its place in that login, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    login: u64,
    number: u64,
}

/// How far a process is with a refresh, by its journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    Sent(Place),
    /// What was sent; the answer is the next one.
    Answered(Place),
}

/// One process after the other in one place.
struct Slot {
    journal: File,
    /// A line that has no end yet.
    rest: String,
    lines: VecDeque<String>,
    open: Option<Open>,
    /// Lines for whoever reads of a failure.
    last: VecDeque<String>,
}

/// What is stored.
#[derive(Debug)]
struct Record {
    generation: u64,
    /// A refresh began, and nothing is known of its end.
    is_marked: bool,
    token: u64,
}

#[derive(Default)]
struct Counts {
    kills: u64,
    while_starting: u64,
    /// A refresh was noted and sent, and the service did not act on it.
    unacted: u64,
    /// In the window, before the answer was read.
    undelivered: u64,
    /// In the window, after that.
    delivered: u64,
    /// Of a login that a kill before had cost already.
    of_lost_login: u64,
    logins: u64,
    served: u64,
    passing: HashMap<String, u64>,
}

pub(crate) struct Judge<'a> {
    service: &'a Service,
    prakerja: Prakerja,
    runtime: Runtime,
    store: FileStore,
    slots: [Slot; 2],
    places: HashMap<u64, Place>,
    /// The newest of the present login.
    delivered: Place,
    served: Place,
    /// What the service had counted when the login began.
    before: (u64, u64),
    /// A kill in the window has taken the newest refresh token of this login along.
    is_lost: bool,
    counts: Counts,
}

impl<'a> Judge<'a> {
    pub(crate) fn new(service: &'a Service, directory: &Path) -> Self {
        let settings = HashMap::from(service.settings());
        let slots = [0, 1].map(|slot| {
            let path = directory.join(journal(slot));
            File::create(&path).unwrap();
            Slot {
                journal: File::open(path).unwrap(),
                rest: String::new(),
                lines: VecDeque::new(),
                open: None,
                last: VecDeque::new(),
            }
        });
        Self {
            service,
            prakerja: client(|name| settings[name].clone(), Arc::new(SystemClock)),
            runtime: Builder::new_current_thread().enable_all().build().unwrap(),
            store: open(directory),
            slots,
            places: HashMap::new(),
            delivered: Place { login: 0, number: 0 },
            served: Place { login: 0, number: 0 },
            before: (0, 0),
            is_lost: false,
            counts: Counts::default(),
        }
    }

    pub(crate) fn kills(&self) -> u64 {
        self.counts.kills
    }

    pub(crate) fn rotations(&self) -> u64 {
        self.service.refreshes().0
    }

    /// As a web application does it, in a third process.
    pub(crate) fn log_in(&mut self) {
        let begun = self.prakerja.begin_login().unwrap();
        let callback = self.service.consent(&begun.url);
        let code = begun.pending.callback(callback.split_once('?').unwrap().1).unwrap();
        self.before = self.service.refreshes();
        self.is_lost = false;
        self.counts.logins += 1;
        let place = Place { login: self.counts.logins, number: 1 };
        (self.delivered, self.served) = (place, place);
        self.runtime.block_on(async {
            let token = self.prakerja.exchange(code).await.unwrap();
            self.places.insert(fingerprint(token.refresh_token().unwrap()), place);
            let sessions = Sessions::builder(self.prakerja.clone(), Arc::new(self.store.clone())).build();
            let session = sessions.log_in(USER, token).await.unwrap();
            assert!(session.state().store_error.is_none(), "{:?}", session.state());
        });
    }

    /// A process says that the user has to log in. Both stand still. Whether it is so: the other one may have said so before, and the user has logged in since.
    pub(crate) fn is_login_wanted(&mut self) -> bool {
        self.look(&[]);
        self.stored().is_none()
    }

    /// After these kills, while the rest stands still.
    pub(crate) fn after(&mut self, kills: &[Kill]) {
        self.counts.kills += u64::try_from(kills.len()).unwrap();
        self.look(kills);
        for kill in kills {
            self.slots[kill.slot].open = None;
        }
    }

    /// When nobody is left: who comes now goes on, or the user logs in for the last time.
    pub(crate) fn end(&mut self) {
        let clock = Arc::new(LeapingClock::default());
        clock.leap(UNTIL_OVER);
        let settings = HashMap::from(self.service.settings());
        let prakerja = client(|name| settings[name].clone(), clock.clone());
        let sessions = Sessions::builder(prakerja, Arc::new(self.store.clone())).clock(clock.clone()).build();
        let session = sessions.get(USER).unwrap();
        for _ in 0..4 {
            match self.runtime.block_on(session.token()) {
                Ok(_) => {}
                Err(error) => {
                    assert!(self.is_lost && error.remedy() == Remedy::LogInAgain, "{error}");
                    self.log_in();
                }
            }
            clock.leap(UNTIL_OVER);
        }
        let (_, refused) = self.service.refreshes();
        assert_eq!((refused - self.before.1, self.is_lost), (0, false));
        assert_eq!(
            self.counts.logins - 1,
            self.counts.delivered + self.counts.undelivered,
            "one login for each kill in the window"
        );
    }

    pub(crate) fn counts(&self) -> String {
        let Counts { kills, while_starting, unacted, undelivered, delivered, of_lost_login, logins, served, passing } =
            &self.counts;
        let in_window = delivered + undelivered;
        let mut text = format!("{} rotations, {served} tokens served, {kills} kills\n", self.rotations());
        let per_cent = 100.0 * in_window as f64 / *kills as f64;
        writeln!(text, "kills inside the window: {in_window} ({per_cent:.1} %), {undelivered} before the answer was read and {delivered} after it").unwrap();
        writeln!(text, "kills elsewhere: {while_starting} while starting, {unacted} after the request and before the service acted, {of_lost_login} of a login that was lost already, {} more", kills - in_window - while_starting - unacted - of_lost_login).unwrap();
        writeln!(text, "logins that it cost: {}", logins - 1).unwrap();
        writeln!(text, "errors that pass: {passing:?}").unwrap();
        write!(text, "{}", self.service.requests()).unwrap();
        text
    }

    pub(crate) fn last_words(&mut self, slot: usize) -> String {
        self.catch_up();
        format!("{:#?}\n{}", self.slots[slot].last, self.state())
    }

    fn state(&self) -> String {
        let (acted, refused) = self.service.refreshes();
        format!(
            "stored {:?}, delivered {:?}, served {:?}, the service is at {} and has ended {}, open {:?}, lost: {}\n{:#?}",
            self.stored(),
            self.delivered,
            self.served,
            1 + acted - self.before.0,
            refused - self.before.1,
            self.slots.each_ref().map(|slot| slot.open),
            self.is_lost,
            self.slots.each_ref().map(|slot| &slot.last),
        )
    }

    /// Nothing moves meanwhile.
    fn look(&mut self, kills: &[Kill]) {
        self.service.settle();
        self.catch_up();
        let (acted, refused) = self.service.refreshes();
        let at_service = 1 + acted - self.before.0;
        let ended = refused - self.before.1;
        let Some(stored) = self.stored() else {
            assert!(self.is_lost, "nothing is stored any more\n{}", self.state());
            return self.count_rest(kills, |counts| &mut counts.of_lost_login);
        };
        let place = self.places.get(&stored.token).copied();
        let expected = Place { login: self.counts.logins, number: stored.generation };
        assert_eq!(place, Some(expected), "not a token of this login\n{}", self.state());
        assert!(place >= Some(self.served), "what was served is not stored\n{}", self.state());

        let is_open = |slot: &Slot| slot.open == Some(Open::Sent(expected)) || slot.open == Some(Open::Answered(expected));
        let with_answer = self.slots.iter().filter(|slot| slot.open == Some(Open::Answered(expected))).count();
        let is_behind = self.delivered.number == expected.number + 1 && stored.is_marked && (with_answer == 1 || self.is_lost);
        assert!(self.delivered == expected || is_behind, "what was delivered is not stored\n{}", self.state());

        let was_lost = self.is_lost;
        if at_service != expected.number {
            assert!(at_service == expected.number + 1 && stored.is_marked, "the service is elsewhere\n{}", self.state());
            let openers: Vec<usize> = (0..2).filter(|slot| is_open(&self.slots[*slot])).collect();
            if !was_lost {
                assert_eq!(openers.len(), 1, "whose refresh is it?\n{}", self.state());
                if let Some(kill) = kills.iter().find(|kill| openers.contains(&kill.slot)) {
                    self.is_lost = true;
                    let has_read = matches!(self.slots[kill.slot].open, Some(Open::Answered(_)));
                    *if has_read { &mut self.counts.delivered } else { &mut self.counts.undelivered } += 1;
                }
            }
        }
        assert!(ended == 0 || was_lost, "the service has ended a login\n{}", self.state());

        if was_lost {
            return self.count_rest(kills, |counts| &mut counts.of_lost_login);
        }
        for kill in kills {
            let open = self.slots[kill.slot].open;
            if at_service == expected.number && stored.is_marked && open == Some(Open::Sent(expected)) {
                self.counts.unacted += 1;
            } else if kill.while_starting && !(self.is_lost && open.is_some()) {
                self.counts.while_starting += 1;
            }
        }
    }

    fn count_rest(&mut self, kills: &[Kill], count: impl Fn(&mut Counts) -> &mut u64) {
        *count(&mut self.counts) += u64::try_from(kills.len()).unwrap();
    }

    fn stored(&self) -> Option<Record> {
        let key = SessionKey::new(Arc::new(self.prakerja.realm()), USER);
        let stored = self.runtime.block_on(self.store.get(&key)).unwrap()?;
        // A layout number, a login of 16 and 8 bytes, the generation, the doubts, and the refresh token after its length.
        let number = |from: usize| u64::from_be_bytes(stored.value[from..from + 8].try_into().unwrap());
        assert_eq!(stored.value[0], 1, "another layout");
        let length = u32::from_be_bytes(stored.value[34..38].try_into().unwrap());
        let token = &stored.value[38..38 + usize::try_from(length).unwrap()];
        let token = SecretString::from(std::str::from_utf8(token).unwrap());
        Some(Record { generation: number(25), is_marked: stored.value[33] > 0, token: fingerprint(&token) })
    }

    /// Reads what the processes wrote since. What one got may come from what the other sent, so they take turns.
    fn catch_up(&mut self) {
        for slot in &mut self.slots {
            slot.journal.read_to_string(&mut slot.rest).unwrap();
            while let Some((line, rest)) = slot.rest.split_once('\n') {
                slot.lines.push_back(line.to_owned());
                slot.last.push_back(line.to_owned());
                slot.rest = rest.to_owned();
            }
            slot.last.drain(..slot.last.len().saturating_sub(12));
        }
        let mut goes_on = true;
        while goes_on {
            goes_on = false;
            for slot in 0..2 {
                while let Some(line) = self.slots[slot].lines.front().cloned() {
                    if !self.take(slot, &line) {
                        break;
                    }
                    self.slots[slot].lines.pop_front();
                    goes_on = true;
                }
            }
        }
        for slot in &self.slots {
            assert!(slot.lines.is_empty(), "of a token that nobody got: {:?}\n{}", slot.lines, self.state());
        }
    }

    /// `false`: of a token that is not known yet.
    fn take(&mut self, slot: usize, line: &str) -> bool {
        let (what, rest) = line.split_once(' ').unwrap();
        let mut words = rest.split(' ');
        let mut next = || words.next().unwrap().parse::<u64>().unwrap();
        match what {
            "sent" => {
                let Some(place) = self.places.get(&next()) else { return false };
                self.slots[slot].open = Some(Open::Sent(*place));
            }
            "answered" => {
                let (old, new) = (next(), next());
                let Some(old) = self.places.get(&old).copied() else { return false };
                let place = Place { number: old.number + 1, ..old };
                let other = self.places.insert(new, place);
                assert_eq!(other, None, "it came twice");
                self.delivered = self.delivered.max(place);
                self.slots[slot].open = Some(Open::Answered(old));
            }
            "served" => {
                let Some(place) = self.places.get(&next()) else { return false };
                self.served = self.served.max(*place);
                self.counts.served += 1;
            }
            "refused" => self.slots[slot].open = None,
            "over" => {}
            "passing" => *self.counts.passing.entry(rest.to_owned()).or_default() += 1,
            _ => panic!("{line}\n{}", self.state()),
        }
        true
    }
}
