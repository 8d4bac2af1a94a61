package continual

// ledger is a table: rows are accounts, columns are quarters, cells are numbers.
func ledger() Domain {
	quarter := func(name, word string) attribute {
		return attribute{
			name:   name,
			values: list("107|134|158|192|215|246|283|301|349|376|422|465|518|571"),
			asks: [splits][]string{
				append(named(name, "{s} ; @ ; ?|row {s} col @|@ of {s}|{s} / @ =|cell({s}, @)"), "{s} in "+word),
				named(name, "col @ row {s}|{s} - @ ?"),
				named(name, "@ ; row {s}|{s} @ =|cell({s} / @)"),
			},
			answer: "{s} ; " + name + " ; {v}",
		}
	}
	return Domain{
		Name: "ledger", Says: "table of numbers",
		subjects: list("rent|wages|fuel|tools|taxes|bonus|loans|gifts|fees|paper|water|grain|" +
			"steel|glass|cloth|paint|sugar|flour|salt|wood|coal|brick|sand|wool"),
		attributes: []attribute{quarter("Q1", "spring"), quarter("Q2", "summer"), quarter("Q3", "autumn"), quarter("Q4", "winter")},
		frames: [splits][]string{
			list("{q}|# {q}|table: {q}|[ {q} ]|= {q}|look up {q}|sum: {q}"),
			list("table: [ {q} ]|- {q}"),
			list("look up [ {q} ]|# table {q}|: {q}"),
		},
	}
}
