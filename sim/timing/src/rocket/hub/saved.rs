//! What has to hold of a hub that was read.

use relsim_core::saved::{Impossible, require};

use super::{DEVICES, Hub, PROBES, TRACKERS, UNKNOWN};
use crate::parts::saved::Latest;
use crate::parts::tags::line_of;

impl Hub {
    /// Whether a hub of `harts` harts can have come into this state.
    pub fn check(&self, harts: usize, latest: Latest) -> Result<(), Impossible> {
        let by_hart = [self.grants.len(), self.releases.len(), self.written.len(), self.fetches.len()];
        let more = [self.ways.len(), self.behind.len(), self.victims.len(), self.buffers.len()];
        let lists = [by_hart, more] == [[harts; 4]; 2];
        require(lists, "a hub of another number of harts")?;
        let taken = |n: &usize| self.transactions.iter().filter(|t| t.tracker == *n).count();
        let busy = |n: &usize| usize::from(self.trackers[*n].until == UNKNOWN);
        let tracked = self.transactions.iter().all(|t| t.tracker < TRACKERS);
        require(tracked && (0..TRACKERS).all(|n| taken(&n) == busy(&n)), "transactions without trackers")?;
        // A hart has a request of each of its L1s on its way, and a message and a victim.
        let bounded = self.requests.len() <= 2 * harts && self.bursts.len() <= harts;
        require(bounded && self.messages.len() <= (TRACKERS + 1) * harts, "too much under way")?;
        let requests = self.requests.iter().chain(self.transactions.iter().map(|t| &t.request));
        let senders = requests.clone().map(|r| r.hart).chain(self.bursts.iter().map(|burst| burst.hart));
        let senders = senders.chain(self.messages.iter().map(|message| message.hart));
        let senders = senders.chain(self.devices.map(|device| device.0)).chain([self.sender, self.winner]);
        require(senders.into_iter().all(|hart| hart < harts), "a request of no hart")?;
        require(requests.clone().all(|r| r.want.line <= line_of(u64::MAX)), "a request for no line")?;
        require(self.bursts.iter().all(|burst| burst.device < DEVICES), "a burst of no device")?;
        let everybody = u64::MAX >> (64 - harts);
        let missing = self.transactions.iter().map(|t| t.missing).chain(self.walk.map(|walk| walk.targets));
        require(missing.into_iter().all(|some| some & !everybody == 0), "an answer of no hart")?;
        let probed = self.ways.iter().all(|way| way.count <= PROBES);
        require(probed && self.fetch_served & !everybody == 0, "too many probes")?;
        self.check_times(latest)
    }

    fn check_times(&self, latest: Latest) -> Result<(), Impossible> {
        latest.all(self.requests.iter().map(|r| r.at))?;
        latest.all(
            self.transactions
                .iter()
                .flat_map(|t| [t.request.at, t.answers.done, t.answers.written, t.serial]),
        )?;
        latest.all(self.bursts.iter().flat_map(|burst| [burst.at, burst.latency]))?;
        latest.all(self.devices.iter().map(|device| device.1))?;
        latest.all_known(self.trackers.iter().map(|tracker| tracker.until))?;
        latest.all(self.grants.iter().flatten().flat_map(|grant| [grant.first, grant.last]))?;
        latest.all(self.written.iter().chain(&self.behind).copied())?;
        latest.all(self.fetches.iter().flatten().flat_map(|&(first, last)| [first, last]))?;
        latest
            .all(self.ways.iter().flat_map(|way| way.probes.iter().map(|probe| probe.0).chain(way.taken)))?;
        latest.all(self.walk.map(|walk| walk.at))?;
        latest.all_known(self.messages.iter().map(|message| message.at))?;
        latest.all_known(self.buffers.iter().flat_map(|buffer| buffer.through))?;
        latest.all(self.buffers.iter().filter_map(|buffer| buffer.full).map(|(taken, _)| taken))?;
        latest.all(self.puts.iter().flat_map(|&(first, last)| [first, last]))?;
        latest.all([self.channel, self.free, self.serial])
    }
}
