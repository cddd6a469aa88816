use std::sync::Arc;

use relsim_core::bus::Bus;
use relsim_core::csr::CsrTable;
use relsim_core::device::{Clock, NoConsole};
use relsim_core::hart::{Hart, HartConfig};
use relsim_core::isa::parse_isa;
use relsim_core::ram::Ram;
use relsim_core::timing::{BlockRun, NO_FACTS};

use super::super::super::btb::{Btb, BtbUpdate};
use super::super::super::hart::HartModel;
use super::super::super::params::Params;
use super::super::super::uncore::{Beside, Uncore};
use super::super::origin::Named;
use super::super::steps::{End, Step, Wide};
use super::Tree;

const BASE: u64 = 0x8000_0000;

/// A change that takes effect in the middle of a path may give an entry a tag that none ever had, for which the path asks
/// behind it: it was left out until then.
#[test]
fn tags_that_come_in_the_middle_of_a_path_are_asked_for() {
    let isa = parse_isa("rv64gc", &[]).unwrap();
    let config = HartConfig {
        id: 0,
        isa,
        misaligned_ok: false,
        firmware_calls: false,
        pmp_entries: 0,
        reset_pc: BASE,
        ids: [0; 3],
    };
    let hart = Hart::new(config, Arc::new(CsrTable::new(isa, &[]).unwrap()));
    let bus = Bus::new(Ram::new(BASE, 4096), 1, Clock::new(1, 1), Box::new(NoConsole));
    let params = Params::default();
    let (asked, other) = (BASE + 0x40, BASE + 0x80);
    let run = BlockRun { serial: 0, ops: &[], whole: true, next: BASE, facts: &NO_FACTS };
    // Whether the path is followed while an entry for `changed` is about to come, once or a second time.
    let follows = |changed: u64| {
        let mut uncore = Uncore::new(&params, 1);
        let mut beside = Beside { hart: &hart, bus: &bus, params: &params, uncore: &mut uncore };
        let mut env = beside.env(u64::MAX);
        let mut model = HartModel::new(&params, BASE);
        model.pipe.fetch.btb.renumber();
        let mut tree = Tree::default();
        let end = End::new(1, std::iter::empty(), std::iter::empty(), (0, 0)).unwrap();
        let steps =
            [Step::Settle(Wide::new(BASE)), Step::Free { touches: false, tags: [Btb::tag(asked); 4] }];
        let root = tree.add(None, &steps, end, &model.pipe.fetch.btb).unwrap();
        [(); 2].map(|()| {
            model.pipe.fetch.btb.update(BtbUpdate::jump(changed));
            tree.follow(root, &mut model, &mut env, &run, &mut Named::default())
        })
    };
    assert_eq!(follows(other), [Some((0, 1)); 2]);
    assert_eq!(follows(asked), [None; 2]);
}
