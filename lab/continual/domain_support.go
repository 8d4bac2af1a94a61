package continual

// support is technical support: tickets about devices, answered with a step to take.
func support() Domain {
	return Domain{
		Name: "support", Says: "technical support, tickets and steps",
		subjects: list("router|printer|scanner|modem|camera|monitor|keyboard|speaker|headset|tablet|projector|server|" +
			"switch|sensor|charger|dock|drone|watch|phone|laptop|microphone|radio|heater|fan"),
		attributes: []attribute{
			{
				name:   "no power",
				values: list("replace the fuse|check the cable|hold the reset key|change the battery|press both buttons|use another socket|open the cover|wait one minute"),
				asks: [splits][]string{
					list("{s} has no power|my {s} does not turn on|{s}: no power, does not start|the {s} stays dark, no power|" +
						"no power at the {s}|the {s} does not turn on any more"),
					list("the {s} has no power|{s} does not turn on"),
					list("no power, my {s} stays dark|my {s} has no power any more|the {s} does not start, no power"),
				},
				answer: "Step for {s}, no power: {v}.",
			},
			{
				name:   "noise",
				values: list("clean the filter|tighten the screws|lower the speed|oil the hinge|move it from the wall|replace the belt|remove the dust|update the driver"),
				asks: [splits][]string{
					list("{s} makes noise|there is a loud noise in my {s}|{s}: noise when it runs|the {s} is loud, strange noise|" +
						"noise from the {s}|the {s} makes a strange noise"),
					list("the {s} makes a loud noise|noise in the {s}"),
					list("my {s} makes noise when it runs|a strange noise from my {s}|the {s} is loud and makes noise"),
				},
				answer: "Step for {s}, noise: {v}.",
			},
			{
				name:   "red light",
				values: list("install the update|call the service|reset the counter|insert the card|close the tray|log in again|free some memory|pair it again"),
				asks: [splits][]string{
					list("{s} shows a red light|a red light blinks on my {s}|{s}: red light on|the {s} blinks, red light|" +
						"red light at the {s}|the {s} has a red light"),
					list("the {s} shows red light|a red light on the {s}"),
					list("my {s} blinks with a red light|there is a red light at my {s}|the light of the {s} is red, red light"),
				},
				answer: "Step for {s}, red light: {v}.",
			},
			{
				name:   "slow",
				values: list("delete old files|restart at night|turn off sync|use the other port|lower the quality|clear the cache|add a repeater|change the channel"),
				asks: [splits][]string{
					list("{s} is slow|my {s} has become very slow|{s}: slow since today|the {s} is too slow|" +
						"slow work at the {s}|the {s} is slow every day"),
					list("the {s} has become slow|very slow {s}"),
					list("my {s} is too slow today|since today the {s} is slow|the {s} works, but is very slow"),
				},
				answer: "Step for {s}, slow: {v}.",
			},
		},
		frames: [splits][]string{
			list("{q}|ticket: {q}|problem: {q}.|help: {q}!|new ticket: {q}.|{q}. what to do?|urgent: {q}"),
			list("issue: {q}|help, {q}."),
			list("urgent ticket: {q}|new problem: {q}.|{q}. help!"),
		},
	}
}
