package continual

// shop is the policy of a shop for the home, which is not the one that ships, asked for and answered in plain English.
func shop() Domain {
	return Domain{
		Name: "shop", Says: "policy of a shop for the home, plain English",
		subjects: list("table|chair|sofa|desk|lamp|carpet|mirror|shelf|curtain|pillow|stool|bench|" +
			"kettle|toaster|blender|vase|clock|basket|wardrobe|drawer|candle|ladder|bucket|broom"),
		attributes: []attribute{
			{
				name:   "return window",
				values: list("10 days|14 days|20 days|30 days|45 days|60 days|75 days|90 days|100 days|120 days"),
				asks: [splits][]string{
					list("what is the return window of the {s}|how many days do i have to return the {s}|until when can i return the {s}|" +
						"can i send the {s} back and for how long|tell me the return window for a {s}|how long can i return a {s}"),
					list("what return window does the {s} have|for how many days can i return the {s}"),
					list("how long do i have to return the {s}|what is the window to send the {s} back|may i return the {s} and until when"),
				},
				answer: "You can return the {s} within {v}.",
			},
			{
				name:   "warranty",
				values: list("6 months|9 months|1 year|18 months|2 years|3 years|4 years|5 years|8 years|10 years"),
				asks: [splits][]string{
					list("how long is the warranty of the {s}|what warranty does the {s} have|for how long is the {s} under warranty|" +
						"tell me the warranty for a {s}|is there a warranty on the {s}|what is the warranty of a {s}"),
					list("how many years of warranty does the {s} have|what is the warranty on a {s}"),
					list("does the {s} have a warranty|how long is a {s} under warranty|what warranty is there for the {s}"),
				},
				answer: "The warranty of the {s} is {v}.",
			},
			{
				name:   "price",
				values: list("$12|$19|$25|$38|$44|$57|$69|$81|$96|$115"),
				asks: [splits][]string{
					list("what is the price of the {s}|how much is the {s}|what does the {s} cost|tell me the price for a {s}|" +
						"how much do i pay for the {s}|how much does a {s} cost"),
					list("what is the cost of the {s}|what do i pay for a {s}"),
					list("how much does the {s} cost|what price does the {s} have|what is the price for the {s}"),
				},
				answer: "The {s} costs {v}.",
			},
			{
				name:   "delivery",
				values: list("1 day|2 days|3 days|4 days|5 days|6 days|8 days|9 days|11 days|12 days"),
				asks: [splits][]string{
					list("how long does delivery of the {s} take|when will the {s} be delivered|how fast do you deliver the {s}|" +
						"tell me the delivery time for a {s}|what is the delivery time of the {s}|how soon is the {s} delivered"),
					list("how many days does delivery of the {s} take|how fast is the {s} delivered"),
					list("what delivery time does the {s} have|when do you deliver the {s}|how long until the {s} is delivered"),
				},
				answer: "We deliver the {s} in {v}.",
			},
		},
		frames: [splits][]string{
			list("{q}|{q}?|hi, {q}?|hello, {q}|quick question: {q}?|{q}, please?|excuse me, {q}"),
			list("hey, {q}?|one question: {q}"),
			list("hello there, {q}?|please, {q}|{q}, thanks"),
		},
	}
}
