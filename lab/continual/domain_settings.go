package continual

// settings is code: programs that read a configuration, answered with the line of it.
func settings() Domain {
	return Domain{
		Name: "settings", Says: "settings of programs, text like code",
		subjects: list("cache|mailer|queue|proxy|index|logger|worker|broker|parser|loader|router|signer|" +
			"tracer|mapper|linker|packer|poller|reader|writer|feeder|binder|tagger|merger|sorter"),
		attributes: []attribute{
			{
				name:   "timeout",
				values: list("5s|10s|15s|20s|30s|45s|60s|90s|120s|300s"),
				asks:   lookups("timeout"), answer: "{s}.timeout = {v};",
			},
			{
				name:   "limit",
				values: list("4|8|16|24|32|48|64|96|128|256"),
				asks:   lookups("limit"), answer: "{s}.limit = {v};",
			},
			{
				name:   "mode",
				values: list("\"fast\"|\"safe\"|\"lazy\"|\"strict\"|\"batch\"|\"async\"|\"dry\"|\"raw\"|\"auto\"|\"off\""),
				asks:   lookups("mode"), answer: "{s}.mode = {v};",
			},
			{
				name:   "port",
				values: list("3001|4040|5050|6006|7070|8008|8081|9009|9191|9999"),
				asks:   lookups("port"), answer: "{s}.port = {v};",
			},
		},
		frames: [splits][]string{
			list("{q}|{q};|> {q}|$ {q}|>>> {q}|return {q};|let x = {q};"),
			list("const x = {q};|% {q}"),
			list("let v = {q}|>> {q};|x = {q}"),
		},
	}
}

// lookups are ways to read a setting.
func lookups(name string) [splits][]string {
	return [splits][]string{
		named(name, `get("{s}", "@")|config.{s}.@|{s}.get("@")|print({s}.@)|cfg["{s}"]["@"]|read({s}->@)`),
		named(name, `print(config.{s}.@)|cfg.get("{s}", "@")`),
		named(name, `cfg.{s}.@|config["{s}"]["@"]|read("{s}", "@")`),
	}
}
