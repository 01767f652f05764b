"""The name of the tab that holds the other pages."""

from cyclegan.pages.languages import Text

TAB = Text("More", "더 보기", "更多")
