"""The page API: how programs use the app."""

from cyclegan.pages.languages import Text

TAB = Text.same("API")
INTRO = Text(
    "Programs can do what you do here. `pip install gradio_client`, then:",
    "프로그램에서도 같은 일을 할 수 있습니다. `pip install gradio_client` 후:",
    "程序也可以完成这里的操作。先运行 `pip install gradio_client`，然后：",
)
TRANSLATE = Text("Translate one picture", "그림 한 장 변환", "转换一张图片")
HISTORY = Text(
    "The same picture by the networks of every kept epoch",
    "저장된 모든 에포크의 신경망으로 같은 그림 변환",
    "用每个已保存轮次的网络转换同一张图片",
)
BATCH = Text("Many pictures, or a zip of them", "여러 그림 또는 그림이 담긴 zip", "多张图片或图片 zip")
ROUND_TRIP = Text("There and back again", "갔다가 되돌아오기", "往返转换")
DRAW = Text("Draw with boxes", "상자로 그리기", "用方框绘制")
CHOICES = Text(
    "Networks here: {networks}. The link about the API at the foot of the page lists all endpoints.",
    "사용할 수 있는 신경망: {networks}. 모든 엔드포인트는 페이지 맨 아래의 API 링크에서 볼 수 있습니다.",
    "可用的网络：{networks}。所有接口见页面底部的 API 链接。",
)
