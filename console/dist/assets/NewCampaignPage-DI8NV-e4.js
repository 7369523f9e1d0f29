import{n as e}from"./rolldown-runtime-WkwZ5CU-.js";import{C as t,T as n,h as r,m as i,w as a}from"./library-D38kO974.js";import{m as o}from"./index-DpU2iz-i.js";import{drawCampaign as s,planCampaign as c}from"./CampaignDocument-B6p6IM1D.js";import{t as l}from"./DocumentEditor-B-G40Mxr.js";var u=e(n(),1),d=a(),f=`campaign.yaml`,p=`key: my-campaign
name: My campaign
entry:
  event: Signed Up
steps:
  - id: rest
    delay: 1d
`,m=e=>/^key:\s*['"]?([^\s'"#]+)/m.exec(e)?.[1]??`my-campaign`;function h(){let e=r(),n=t(),a=(0,u.useRef)(``);return(0,d.jsx)(o,{title:`New campaign`,crumb:(0,d.jsx)(i,{to:`/documents`,children:`Documents`}),children:(0,d.jsx)(l,{initial:{[f]:p},schemaName:`campaign`,plan:e=>(a.current=m(e[f]??``),c(a.current,e)),draw:e=>s(m(e[f]??``),e),takesTemplates:!0,applied:()=>{n.invalidateQueries(),e({to:`/campaigns/$key`,params:{key:a.current}})}})})}export{h as NewCampaignPage};