// Command nightshift serves a GPT-2-family model by day and learns from its users by night.
package main

func main() {}
