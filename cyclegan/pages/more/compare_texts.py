"""The sentences of the page Compare."""

from cyclegan.pages.languages import Text

TAB = Text("Compare", "비교", "对比")
INTRO = Text(
    "Two networks, the same picture: choose any two runs, or two epochs of one, and see where they differ.",
    "같은 그림을 두 신경망에 넣어 봅니다. 두 학습 결과나 한 학습의 두 에포크를 골라 어디가 다른지 살펴보세요.",
    "同一张图片，两个网络：任选两次训练，或同一训练的两个轮次，看看它们有何不同。",
)
LEFT = Text("First network", "첫 번째 신경망", "第一个网络")
RIGHT = Text("Second network", "두 번째 신경망", "第二个网络")
CHOICE = Text("{title}, epoch {epoch}", "{title}, {epoch} 에포크", "{title}，第 {epoch} 轮")
RUN = Text("Compare", "비교하기", "对比")
DIFFERENCE = Text("Difference", "차이", "差异")
PICTURE_ALT = Text("Picture by {name}", "{name}의 그림", "{name} 的图像")
DIFFERENCE_ALT = Text("Where the two pictures differ", "두 그림이 다른 곳", "两张图像的差异之处")
CAPTION = Text(
    "Black where both are the same, brighter the further they are apart. On average: {mean} of 255 levels.",
    "검은 곳은 같고, 밝을수록 차이가 큽니다. 평균 차이: 255단계 중 {mean}단계.",
    "黑色表示相同，越亮差异越大。平均差异：255 级中的 {mean} 级。",
)
UNKNOWN = Text(
    "This network is no longer there: choose another one.",
    "이 신경망은 더 이상 없습니다. 다른 것을 선택해 주세요.",
    "该网络已不存在，请选择其他网络。",
)
