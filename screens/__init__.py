"""The console: the only Textual code. Screens compose, bind and route; what they show comes from `services`."""
