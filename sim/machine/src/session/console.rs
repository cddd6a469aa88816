//! A console that can be gone back with: input is recorded and read again, output is shown once.

use relsim_core::device::{Console, ConsolePlace};

/// Wraps the host's console.
pub(super) struct Recorded {
    inner: Box<dyn Console>,
    place: ConsolePlace,
    /// Where the record begins.
    start: ConsolePlace,
    /// How often was asked for a byte at the latest place that was ever reached, and what was written.
    reached: ConsolePlace,
    /// The bytes that were read, each with the number of the question that it answered, in order.
    input: Vec<(u64, u8)>,
    /// From which question on the input was over.
    ended: Option<u64>,
}

impl Recorded {
    pub fn new(inner: Box<dyn Console>) -> Self {
        let start = inner.place();
        let ended = inner.at_end().then_some(start.reads);
        Self { inner, place: start, start, reached: start, input: Vec::new(), ended }
    }

    /// The record begins anew, at `place`.
    fn begin(&mut self, place: ConsolePlace) {
        self.inner.go_to(place);
        (self.place, self.start, self.reached) = (place, place, place);
        self.input.clear();
        self.ended = self.inner.at_end().then_some(place.reads);
    }
}

impl Console for Recorded {
    fn write(&mut self, bytes: &[u8]) {
        let shown = self.reached.written.saturating_sub(self.place.written);
        if let Some(fresh) = usize::try_from(shown).ok().and_then(|shown| bytes.get(shown..))
            && !fresh.is_empty()
        {
            self.inner.write(fresh);
        }
        self.place.written += bytes.len() as u64;
        self.reached.written = self.reached.written.max(self.place.written);
    }

    fn read(&mut self) -> Option<u8> {
        let question = self.place.reads;
        self.place.reads += 1;
        if question < self.reached.reads {
            let at = self.input.binary_search_by_key(&question, |&(n, _)| n).ok()?;
            self.place.taken += 1;
            return Some(self.input[at].1);
        }
        self.reached.reads = self.place.reads;
        let byte = self.inner.read();
        self.input.extend(byte.map(|byte| (question, byte)));
        self.place.taken += u64::from(byte.is_some());
        if self.ended.is_none() && self.inner.at_end() {
            self.ended = Some(self.place.reads);
        }
        byte
    }

    fn at_end(&self) -> bool {
        self.ended.is_some_and(|question| self.place.reads >= question)
    }

    fn place(&self) -> ConsolePlace {
        self.place
    }

    fn forget_future(&mut self) {
        let place = self.place;
        self.inner.go_to(place);
        self.reached = place;
        self.input.retain(|&(question, _)| question < place.reads);
        let ended = self.ended.filter(|&question| question <= place.reads);
        self.ended = ended.or_else(|| self.inner.at_end().then_some(place.reads));
    }

    /// What is not in the record is for the host's console to find.
    fn go_to(&mut self, place: ConsolePlace) {
        if (self.start.reads..=self.reached.reads).contains(&place.reads)
            && place.written >= self.start.written
        {
            self.place = place;
        } else {
            self.begin(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    struct Inner(Vec<u8>, Arc<Mutex<Vec<u8>>>);

    impl Console for Inner {
        fn write(&mut self, bytes: &[u8]) {
            self.1.lock().unwrap().extend(bytes);
        }
        fn read(&mut self) -> Option<u8> {
            self.0.pop()
        }
        fn at_end(&self) -> bool {
            self.0.is_empty()
        }
    }

    #[test]
    fn output_is_shown_once_and_input_comes_again() {
        let shown = Arc::default();
        let mut console = Recorded::new(Box::new(Inner(b"ba".to_vec(), Arc::clone(&shown))));
        let start = console.place();
        console.write(b"one");
        assert_eq!((console.read(), console.at_end()), (Some(b'a'), false));
        console.go_to(start);
        console.write(b"on");
        console.write(b"e two");
        assert_eq!((console.read(), console.read(), console.read()), (Some(b'a'), Some(b'b'), None));
        assert!(console.at_end());
        console.go_to(start);
        assert!(!console.at_end());
        assert_eq!((console.read(), console.read(), console.read()), (Some(b'a'), Some(b'b'), None));
        assert_eq!(&*shown.lock().unwrap(), b"one two");
    }
}
