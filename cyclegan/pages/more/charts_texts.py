"""The sentences of the page Curves."""

from cyclegan.pages.languages import Text

TAB = Text("Curves", "학습 곡선", "训练曲线")
STAR = Text("★: the best epoch, {route}.", "★: 가장 좋은 에포크, {route}.", "★：最佳轮次，{route}。")
LABELS = {
    "run": Text("Run", "학습", "训练"),
    "from": Text("from epoch", "시작 에포크", "从轮次"),
    "to": Text("to epoch", "끝 에포크", "到轮次"),
    "whole": Text("Whole training", "전체 학습", "整个训练"),
    "hint": Text(
        "Drag across a plot to look closer; double-click for the whole training.",
        "그래프 위를 끌면 확대되고, 두 번 누르면 전체 학습이 보입니다.",
        "在图上拖动可放大；双击显示整个训练。",
    ),
    "empty": Text("No epoch is finished yet.", "아직 끝난 에포크가 없습니다.", "尚无完成的轮次。"),
}
